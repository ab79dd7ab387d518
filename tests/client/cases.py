"""Many small cases in one test, where a client of its own for each would cost the most."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def case(what: object) -> Iterator[None]:
    """Whatever fails inside tells which case it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the case was {what!r}")
        raise
