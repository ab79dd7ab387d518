"""What the hot paths of the doors cost, in calls: the one figure that no machine changes."""

from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import miniqueue_py
from miniqueue_py.http.servers import dates
from tests.access.gate import Gate
from tests.broker.counting import counted
from tests.http.exchanges import Exchange, settle
from tests.http.http2_peer import Peer
from tests.http.streaming import Wire
from tests.profiling import profiled

pytestmark = pytest.mark.anyio

OURS = tuple(str(Path(miniqueue_py.__file__).parent / each) for each in ("http", "protocol"))
"""The rules of the queue are counted in tests/broker."""


def calls_of(act: Callable[[], object]) -> list[str]:
    """Return the functions of doors that are called, in their order."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            calls.append(frame.f_code.co_qualname)

    with profiled(note):
        act()
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


async def test_what_rights_add(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    secret = await gate.admit("ci", {"publish": ("orders",)})
    headers = {"content-length": "5", "authorization": f"Bearer {secret}"}

    def publish() -> None:
        exchange = Exchange(gate.doors.native, "POST", "/publish/orders", headers=headers)
        exchange.say_nowait(b"hello", is_last=True)

    publish()
    calls = calls_of(publish)

    assert "guarded.<locals>.find" in calls
    assert len(calls) <= 12, calls


@pytest.mark.parametrize(("a_read", "ours"), [(1, 60.3), (10, 36.43)])
async def test_publish_on_a_connection_of_http2(
    monkeypatch: pytest.MonkeyPatch, a_read: int, ours: float
) -> None:
    """All that is called of ours, from what was read to what is written, the store included."""
    monkeypatch.setattr(dates, "time", lambda: 1.0)  # a Date is made once a second
    wire = Wire()
    peer = Peer(wire.streams.route)
    await peer.ask(path="/publish/orders", body=b"hello")
    path, length = (":path", "/publish/orders"), ("content-length", "5")
    head = [(":method", "POST"), (":scheme", "https"), path, (":authority", "a"), length]
    reads = []
    for _ in range(10):
        for _ in range(a_read):
            number = peer.http2.get_next_available_stream_id()
            peer.http2.send_headers(number, head)
            peer.http2.send_data(number, b"hello", end_stream=True)
        reads.append(peer.http2.data_to_send())

    with counted() as calls:
        for data in reads:
            peer.connection.data_received(data)
            await settle()

    peer.hear()
    assert peer.status(number) == 201
    assert calls.ours / 10 / a_read <= ours, calls
