"""HTTP/1.1: what one connection may have of a turn of the loop, and what a request costs."""

import asyncio
import gc
import itertools
from types import FrameType

import pytest

from miniqueue_py.http.servers import dates
from miniqueue_py.http.servers.http1_limits import (
    MOST_AHEAD_BYTES,
    MOST_UNGRANTED_BYTES,
    TURN_BYTES,
    TURN_REQUESTS,
)
from tests.http.exchanges import settle
from tests.http.http1 import Peer, chunked, get, post
from tests.profiling import profiled

pytestmark = pytest.mark.anyio

MOST_CALLS = 57
"""Of Python's functions, for a POST that comes whole, from the read to the write and with all
that the handler of these tests does (12 of them)."""


async def test_several_requests_are_answered_in_one_write() -> None:
    peer = Peer()
    await peer.ask(get() * 20)
    assert peer.statuses == [200] * 20
    assert len(peer.transport.writes) == 1


async def test_what_is_said_in_a_turn_leaves_in_one_write() -> None:
    peer = Peer()
    await peer.ask(get("/hold"))
    exchange = peer.handlers[0].exchange
    exchange.begin(200, ())
    for _ in range(10):
        exchange.send(b"x")
    exchange.end()
    await settle()
    assert len(peer.transport.writes) == 1


async def test_a_request_waits_for_the_answer_to_the_one_before() -> None:
    peer = Peer()
    await peer.ask(get("/hold") + get() + get("/hold"))
    assert len(peer.requests) == 1
    peer.handlers[0].exchange.respond(200, ())
    await settle()
    assert len(peer.requests) == 3
    assert peer.statuses == [200, 200]


async def test_a_turn_begins_so_many_requests() -> None:
    peer = Peer()
    peer.send(get() * (3 * TURN_REQUESTS))
    turns = [len(peer.requests)]
    while len(peer.requests) < 3 * TURN_REQUESTS:
        await asyncio.sleep(0)
        turns.append(len(peer.requests))
    assert turns == [TURN_REQUESTS, 2 * TURN_REQUESTS, 3 * TURN_REQUESTS]


@pytest.mark.parametrize(
    "request_bytes", [post(b"x" * 200_000, "/hold"), chunked(*[b"x" * 7] * 20_000, path="/hold")]
)
async def test_a_turn_parses_so_many_bytes(request_bytes: bytes) -> None:
    peer = Peer()
    peer.send(request_bytes)
    assert not peer.transport.is_reading()
    sizes = []
    while not peer.handlers[0].events:
        handler = peer.handlers[0]
        sizes.append(sum(map(len, handler.chunks)))
        await asyncio.sleep(0)
    sizes.append(sum(map(len, handler.chunks)))
    assert all(after - before <= TURN_BYTES for before, after in itertools.pairwise(sizes))
    assert len(handler.chunks) == len(sizes), "a piece a turn"
    assert peer.transport.is_reading()


async def test_a_body_that_is_not_granted_holds_back_its_client() -> None:
    peer = Peer()
    sending = asyncio.ensure_future(peer.send_on(post(b"x" * 1_000_000, "/hold")))
    await settle()
    await settle()
    handler = peer.handlers[0]
    heard = sum(map(len, handler.chunks))
    assert MOST_UNGRANTED_BYTES < heard <= MOST_UNGRANTED_BYTES + TURN_BYTES
    assert not peer.transport.is_reading()

    granted = 0
    while granted < 1_000_000:
        handler.exchange.grant(heard - granted)
        granted = heard
        await settle()
        heard = sum(map(len, handler.chunks))
    await sending
    assert sum(map(len, handler.chunks)) == 1_000_000
    assert handler.events == ["end"]


async def test_a_client_that_asks_ahead_is_read_so_far() -> None:
    peer = Peer()
    peer.send(get("/hold"))
    ahead = get() * 5000
    peer.send(ahead[:MOST_AHEAD_BYTES])
    assert peer.transport.is_reading()
    peer.send(ahead[:MOST_AHEAD_BYTES])
    assert not peer.transport.is_reading()


async def test_a_request_costs_so_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dates, "time", lambda: 1.0)  # a Date is made once a second
    peer = Peer()
    request = post(b'{"payload": 1}', "/echo", "Content-Type: application/json")
    await peer.ask(request)
    calls: list[str] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    with profiled(note):
        peer.send(request)
    assert peer.statuses == [200, 200]
    assert len(calls) <= MOST_CALLS, calls


async def test_a_request_leaves_nothing_to_the_collector() -> None:
    peer = Peer()
    await peer.ask(get())
    found = []
    gc.disable()
    try:
        for _ in range(3):  # tests before this one leave what is found by chance, once
            peer.requests.clear()
            gc.collect()
            await peer.ask((get() + post(b"x") + chunked(b"x")) * 10)
            peer.requests.clear()
            found.append(gc.collect())
    finally:
        gc.enable()
    assert peer.statuses == [200] * 91
    assert min(found) < 10
