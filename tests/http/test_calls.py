"""What the hot paths of the doors cost, in calls: the one figure that no machine changes."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import miniqueue_py
from tests.http.exchanges import Exchange, settle
from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio

OURS = tuple(str(Path(miniqueue_py.__file__).parent / each) for each in ("http", "protocol"))
"""The rules of the queue are counted in tests/broker, and the connections by themselves."""


def calls_of(act: Callable[[], object]) -> list[str]:
    """Return the functions of doors that are called, in their order."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            calls.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
    return calls


async def test_publish() -> None:
    wire = Wire()
    length = {"content-length": "5"}

    def publish() -> None:
        exchange = Exchange(wire.door, "POST", "/publish/orders", headers=length)
        exchange.say_nowait(b"hello", is_last=True)

    publish()
    calls = calls_of(publish)
    await settle()

    assert "Streams.route" in calls
    assert len(calls) <= 11, calls
    assert len(wire.kept()) == 2


async def test_acknowledgement_in_lock_step() -> None:
    wire = Wire()
    await wire.publish(*[b"x"] * 5)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"')
        await stream.say(b'"ACK"')

        calls = calls_of(lambda: stream.say_nowait(b'"ACK"'))

        assert len(stream.pieces) == 3, "it is said in the same call"
        assert len(calls) <= 15, calls
