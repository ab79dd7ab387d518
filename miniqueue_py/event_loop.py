"""uvloop where it is installed, asyncio's own loop where it is not: Windows has none."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from importlib.util import find_spec


def has_uvloop() -> bool:
    """Return whether uvloop is installed."""
    return find_spec("uvloop") is not None


def loop_factory() -> Callable[[], AbstractEventLoop] | None:
    """Return what makes the loop of this process; None is asyncio's default."""
    if not has_uvloop():
        return None
    import uvloop  # noqa: PLC0415  only if it is there

    return uvloop.new_event_loop
