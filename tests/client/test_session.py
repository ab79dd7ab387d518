"""A subscription's stream, when more than one thing happens to it before anybody looks."""

import re

import anyio
import pytest

from miniqueue_py.client.http2 import stream as stream_module
from miniqueue_py.client.http2.stream import Stream
from miniqueue_py.client.session import Session
from miniqueue_py.client.threads import Owner
from miniqueue_py.errors import ConnectionLost, SettlementError
from tests.client.waiting import PATIENCE

pytestmark = pytest.mark.anyio

CLOSING = b'{"closing":"draining"}\n'
REFUSED = b'{"error":"delivery 7 was never given out"}\n'


@pytest.fixture
async def stream() -> Stream:
    stream = Stream(1, lambda _: None, lambda *_: None, lambda _: None, room_step=1)
    stream.take_answer(200, {})
    return stream


@pytest.fixture
async def session(stream: Stream) -> Session:
    return Session(stream, "t", 1, Owner(), has_leases=False)


@pytest.mark.parametrize("is_reset", [False, True])
async def test_an_end_behind_a_line_that_delivers_nothing_is_noticed(
    stream: Stream, session: Session, is_reset: bool
) -> None:
    stream.take_data(CLOSING)
    if is_reset:
        stream.fail("the broker closed it")
    else:
        stream.take_end()

    with anyio.fail_after(PATIENCE), pytest.raises(ConnectionLost):
        await session.receive()


async def test_an_end_and_then_the_connections_is_noticed(stream: Stream, session: Session) -> None:
    stream.take_data(CLOSING)
    stream.take_end()
    stream.fail("the broker closed it")

    with anyio.fail_after(PATIENCE), pytest.raises(ConnectionLost, match="draining"):
        await session.receive()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (CLOSING, "the broker is being stopped (draining)"),
        (b'{"closing":"limit"}\n', "the broker ended it (limit)"),
        (b"", None),
    ],
)
async def test_what_the_broker_said_at_the_end_is_told_in_words(
    stream: Stream, session: Session, line: bytes, told: str | None
) -> None:
    stream.take_data(line)
    stream.fail("it was cut")

    with pytest.raises(ConnectionLost, match="it was cut" if told is None else re.escape(told)):
        await session.receive()
    assert session.farewell == told


async def test_a_refusal_is_told_when_it_has_come_and_not_with_what_comes_next(
    stream: Stream, session: Session
) -> None:
    stream.take_data(REFUSED)

    with anyio.fail_after(PATIENCE), pytest.raises(SettlementError):
        await session.receive()


async def test_an_answer_whose_head_does_not_come_is_asked_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "NUDGE_SECONDS", 0.001)
    stream = Stream(1, lambda _: None, lambda *_: None, lambda _: None, room_step=1)
    nudges = []

    def nudge() -> None:
        nudges.append(stream.status)
        if len(nudges) == 3:
            stream.take_answer(200, {})

    stream.nudge = nudge

    with anyio.fail_after(PATIENCE):
        await stream.wait_begun()

    assert nudges == [None, None, None]
