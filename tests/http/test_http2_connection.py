"""One connection of HTTP/2: what it hands to handlers, what it sends, and what it bounds."""

import h2.events
import pytest

from miniqueue_py.errors import MessageTooLong, TopicFull
from miniqueue_py.http.exchange import Exchange, Handler
from miniqueue_py.http.servers import kept_bodies, lingering
from tests.http.exchanges import settle
from tests.http.http2_handlers import Echo, Length, Listeners
from tests.http.http2_peer import Peer

pytestmark = pytest.mark.anyio


async def test_a_request_is_answered_with_its_body_in_one_write() -> None:
    peer = Peer(Echo)
    await peer.talk()
    writes = len(peer.wire.unread)

    number = await peer.ask(body=b"hello")

    assert (peer.status(number), peer.body(number)) == (200, b"hello")
    assert writes == 0
    assert not peer.stumbles


async def test_what_exchanges_say_in_a_turn_leaves_in_one_write() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    for _ in range(5):
        await peer.begin()

    for listener in listeners.all:
        listener.exchange.begin(200, [])
        listener.exchange.send(b"x")
    await settle()

    assert len(peer.wire.unread) == 1


async def test_a_request_brings_its_path_query_headers_and_peer() -> None:
    listeners = Listeners()
    peer = Peer(listeners)

    await peer.begin("PUT", "/a%20b?c=d?e", ("x-one", "1"), ("x-one", "2"), ("content-length", "7"))

    request = listeners.last.exchange.request
    assert (request.method, request.path, request.query) == ("PUT", b"/a%20b", b"c=d?e")
    assert request.header(b"x-one") == b"1"
    assert request.header(b":path") is None
    assert request.declared_length == 7
    assert (request.http_version, request.scheme, request.client) == (
        "2",
        "https",
        ("192.0.2.1", 5),
    )


async def test_head_gets_no_body() -> None:
    listeners = Listeners()
    peer = Peer(listeners)

    whole = await peer.ask("HEAD")
    listeners.last.exchange.respond(200, [], b"hidden")
    pieces = await peer.ask("HEAD")
    listeners.last.exchange.begin(200, [])
    listeners.last.exchange.send(b"hidden")
    listeners.last.exchange.end(b"hidden")
    await peer.talk()

    assert [peer.body(number) for number in (whole, pieces)] == [b"", b""]
    assert peer.has_ended(whole)
    assert peer.has_ended(pieces)


async def test_one_that_expects_100_is_told_to_go_on() -> None:
    peer = Peer(Echo)

    number = await peer.begin("POST", "/x", ("expect", "100-continue"))

    assert peer.of(h2.events.InformationalResponseReceived, number)
    await peer.say(number, b"on", is_last=True)
    assert peer.body(number) == b"on"


@pytest.mark.parametrize(
    ("error", "status"), [(TopicFull("full"), 429), (ZeroDivisionError("oh"), 500)], ids=str
)
async def test_what_a_handler_raises_is_answered_and_others_go_on(
    error: Exception, status: int
) -> None:
    class Failing(Handler):
        def on_end(self) -> None:
            raise error

    peer = Peer(lambda exchange: Failing() if exchange.request.path == b"/f" else Echo(exchange))

    failing, other = await peer.ask(path="/f"), await peer.ask(body=b"1")

    assert (peer.status(failing), peer.body(other)) == (status, b"1")
    assert peer.stumbles == ([] if status == 429 else [error])


async def test_a_route_that_raises_answers_too() -> None:
    def refuse(_: Exchange) -> Handler:
        raise MessageTooLong(5)

    peer = Peer(refuse)

    assert peer.status(await peer.ask(body=b"123456")) == 413
    await peer.door.wait_idle()


async def test_a_handler_that_fails_when_its_answer_has_begun_breaks_it_off() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    listeners.last.exchange.begin(200, [])

    listeners.last.exchange.fail(ZeroDivisionError())
    await peer.talk()

    [reset] = peer.of(h2.events.StreamReset, number)
    assert reset.error_code == 2
    assert not peer.has_ended(number)
    await peer.door.wait_idle()


async def test_a_client_that_resets_is_gone_once_and_for_all() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    peer.http2.reset_stream(number)
    await peer.talk()
    listeners.last.exchange.respond(200, [])
    listeners.last.exchange.send(b"to nobody")
    await peer.talk()

    assert listeners.last.said == ["gone"]
    assert listeners.last.exchange.is_over
    await peer.door.wait_idle()


async def test_a_stream_that_is_reset_in_the_read_that_opened_it_starts_nothing() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.talk()

    number = peer.http2.get_next_available_stream_id()
    head = [(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a")]
    peer.http2.send_headers(number, head, end_stream=True)
    peer.http2.reset_stream(number)
    await peer.talk()

    assert not listeners.all


async def test_a_lost_connection_tells_every_handler() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    for _ in range(3):
        await peer.begin()

    peer.wire.abort()
    await settle()

    assert [each.said for each in listeners.all] == [["gone"]] * 3
    assert len(peer.connections) == 0
    assert peer.connection.lost.done()
    await peer.door.wait_idle()


# Bodies


async def test_a_body_that_is_not_granted_holds_back_its_stream_and_no_other() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    first, second = await peer.begin(), await peer.begin()
    window = peer.http2.local_flow_control_window(first)
    for _ in range(window // 16384):
        await peer.say(first, bytes(16384))
    assert peer.http2.local_flow_control_window(first) == 0

    await peer.say(second, b"still")
    held = listeners.all[0]
    held.exchange.grant(sum(map(len, held.heard)))
    await peer.talk()

    assert listeners.all[1].heard == [b"still"]
    assert peer.http2.local_flow_control_window(first) == window


async def test_uploads_that_are_kept_wait_when_they_are_too_much_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_bodies, "CONNECTION_KEPT_BYTES", 300_000)
    peer = Peer(Length)
    first, second = await peer.begin(), await peer.begin()
    for _ in range(16):
        await peer.say(first, bytes(16384))
    for _ in range(16):
        await peer.say(second, bytes(16384))

    assert peer.http2.local_flow_control_window(second) < 262_144 // 2
    assert peer.connections.struck["kept_bytes"] > 0
    await peer.say(first, b"", is_last=True)

    assert peer.body(first) == b"262144"
    assert peer.http2.local_flow_control_window(second) > 262_144 // 2
    await peer.say(second, b"", is_last=True)
    assert peer.body(second) == b"262144"
    assert peer.connections.kept_bytes == 0


async def test_an_upload_that_stalls_is_given_up_and_others_are_not() -> None:
    peer = Peer(Echo)
    stalled, lively = await peer.begin(), await peer.begin()
    for _ in range(4):
        await peer.say(lively, b"x" * 10)
        await peer.timers.advance(30.0)
        await peer.talk()
    # Only what is kept can be too much: the first has kept nothing and may wait.
    assert not peer.of(h2.events.StreamReset, stalled)

    await peer.say(stalled, b"x" * 10)
    for _ in range(3):
        await peer.say(lively, b"x" * 10)
        await peer.timers.advance(30.0)
        await peer.talk()

    assert peer.of(h2.events.StreamReset, stalled)
    assert not peer.of(h2.events.StreamReset, lively)
    assert peer.connections.struck["stalled_upload"] == 1


async def test_a_body_that_goes_on_behind_its_answer_is_read_and_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lingering, "MOST_DROPPED_BYTES", 600_000)
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    listeners.last.exchange.respond(413, [])
    await peer.talk()
    assert peer.status(number) == 413

    for _ in range(30):
        await peer.say(number, bytes(16384))
    assert not peer.of(h2.events.StreamReset, number)
    assert not listeners.last.heard
    for _ in range(10):
        if peer.of(h2.events.StreamReset, number):
            break
        await peer.say(number, bytes(16384))

    [reset] = peer.of(h2.events.StreamReset, number)
    assert reset.error_code == 0


async def test_a_body_that_lingers_behind_its_answer_is_reset_in_the_end() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    listeners.last.exchange.respond(413, [])
    await peer.talk()

    await peer.timers.advance(lingering.LINGER_SECONDS + 1)
    await peer.talk()

    [reset] = peer.of(h2.events.StreamReset, number)
    assert reset.error_code == 0


async def test_a_body_behind_its_answer_is_waited_for_as_long_as_it_goes_on() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    listeners.last.exchange.respond(413, [])
    await peer.talk()

    for _ in range(5):
        for _ in range(lingering.LEAST_DROPPED_BYTES // 16384):
            await peer.say(number, bytes(16384))
        await peer.timers.advance(lingering.LINGER_SECONDS)
        await peer.talk()
        assert not peer.of(h2.events.StreamReset, number)
    await peer.say(number, bytes(16384))
    await peer.timers.advance(lingering.LINGER_SECONDS)
    await peer.talk()

    [reset] = peer.of(h2.events.StreamReset, number)
    assert reset.error_code == 0


async def test_no_100_comes_with_an_answer_that_begins_at_once() -> None:
    # RFC 9110, section 10.1.1; and haproxy 2.6 loses the answer's body if both come together.
    def begin(exchange: Exchange) -> Handler:
        exchange.begin(200, [])
        return Handler()

    peer = Peer(begin)

    number = await peer.begin("POST", "/x", ("expect", "100-continue"))

    assert not peer.of(h2.events.InformationalResponseReceived, number)
    assert peer.status(number) == 200


async def test_a_lost_connection_is_not_kept_for_a_body_behind_its_answer() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.begin()
    listeners.last.exchange.respond(413, [])
    await peer.talk()
    assert peer.timers.pending

    peer.wire.close()
    await settle()

    assert not peer.timers.pending


async def test_a_client_that_ends_behind_its_answer_is_woken() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    listeners.last.exchange.respond(413, [])
    await peer.talk()

    await peer.say(number, b"", is_last=True)

    assert peer.of(h2.events.PingReceived)
