"""How many calls our code makes: the one figure that no machine changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import miniqueue_py
from tests.profiling import profiled

_OURS = str(Path(miniqueue_py.__file__).parent)


class Calls:
    """Calls of functions of ours ("call" of `sys.setprofile`), and by them of builtins ("c_call").

    Those of the loop are not among them, so it matters not which loop it is.
    """

    def __init__(self) -> None:
        self.ours = 0
        self.builtin = 0

    def __repr__(self) -> str:
        return f"<Calls, {self.ours} of ours, {self.builtin} of builtins>"

    def are_within(self, messages: int, *, ours: float, builtin: float) -> bool:
        """Tell if there were at most so many of both for each message, to two digits."""
        return (
            round(self.ours / messages, 2) <= ours and round(self.builtin / messages, 2) <= builtin
        )

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        if not frame.f_code.co_filename.startswith((_OURS, "<")):  # "<": a NamedTuple is made
            return
        if event == "call":
            self.ours += 1
        elif event == "c_call":
            self.builtin += 1


@contextmanager
def counted() -> Iterator[Calls]:
    """Count what is called in this thread until the block ends."""
    calls = Calls()
    with profiled(calls._note):
        yield calls
