"""One connection of HTTP/2: what it hands to handlers, what it sends, and what it bounds."""

import h2.events
import pytest
from hyperframe.frame import DataFrame, PingFrame, PriorityFrame, SettingsFrame

from miniqueue_py.errors import MessageTooLong, TopicFull
from miniqueue_py.http.exchange import ROOM_BYTES, Exchange, Handler, WholeBody
from miniqueue_py.http.servers import http2_watch, kept_bodies, lingering, page_queue
from miniqueue_py.http.servers.connections import ConnectionLimits
from miniqueue_py.http.servers.http2_connection import BEGUN_A_TURN, TURN_BYTES
from miniqueue_py.http2.codec import ENHANCE_YOUR_CALM
from tests.http.exchanges import settle
from tests.http.http2_peer import Peer

pytestmark = pytest.mark.anyio


class Echo(WholeBody):
    """Answers with the body."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, 1 << 20)

    def on_whole(self, body: bytes) -> None:
        self.exchange.respond(200, [(b"content-length", b"%d" % len(body))], body)


class Length(WholeBody):
    """Answers with the length of the body."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, 1 << 20)

    def on_whole(self, body: bytes) -> None:
        self.exchange.respond(200, [], b"%d" % len(body))


class Listener(Handler):
    """Keeps what it hears, and says what the test says."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.heard: list[bytes] = []
        self.said: list[str] = []

    def on_body(self, chunk: bytes) -> None:
        self.heard.append(chunk)

    def on_end(self) -> None:
        self.said.append("end")

    def on_gone(self) -> None:
        self.said.append("gone")

    def on_room(self) -> None:
        self.said.append("room")


class Listeners:
    """Makes one for each request, and knows them."""

    def __init__(self) -> None:
        self.all: list[Listener] = []

    def __call__(self, exchange: Exchange) -> Handler:
        self.all.append(Listener(exchange))
        return self.all[-1]

    @property
    def last(self) -> Listener:
        return self.all[-1]


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


# Answers


async def test_a_handler_is_told_when_its_client_has_taken_what_was_queued() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    exchange = listeners.last.exchange
    exchange.begin(200, [])
    exchange.send(bytes(3 * ROOM_BYTES))
    await peer.talk()
    assert exchange.queued > ROOM_BYTES

    peer.http2.increment_flow_control_window(1 << 20)
    peer.http2.increment_flow_control_window(1 << 20, number)
    await peer.talk()

    assert listeners.last.said == ["room"]
    assert exchange.queued == 0


async def test_while_the_socket_is_full_nothing_is_taken_from_the_codec() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    peer.connection.pause_writing()
    listeners.last.exchange.respond(200, [], b"late")
    await peer.talk()
    assert not peer.of(h2.events.ResponseReceived, number)

    peer.connection.resume_writing()
    await peer.talk()

    assert peer.body(number) == b"late"


async def test_few_pages_are_made_for_a_client_that_takes_none() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    peer = Peer(Page)
    for _ in range(50):
        await peer.ask("GET")
    assert len(begun) == page_queue.MOST_PAGES

    for exchange in begun[:]:
        exchange.respond(200, [], bytes(page_queue.CONNECTION_UNSENT_BYTES))
    await peer.talk()
    assert len(begun) == page_queue.MOST_PAGES, "more were made though nobody takes them"
    assert peer.connections.unsent_bytes > 7 * page_queue.CONNECTION_UNSENT_BYTES
    assert peer.connections.untaken_page_bytes > 7 * page_queue.CONNECTION_UNSENT_BYTES

    peer.http2.increment_flow_control_window(1 << 30)
    for exchange in begun[:]:
        peer.http2.increment_flow_control_window(1 << 24, exchange.stream_id)  # type: ignore[attr-defined]
    await peer.talk()
    assert len(begun) == 2 * page_queue.MOST_PAGES


async def test_a_consumer_that_does_not_read_holds_back_no_page() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    listeners = Listeners()
    peer = Peer(lambda each: Page(each) if each.request.path == b"/page" else listeners(each))
    await peer.begin()
    listeners.last.exchange.begin(200, [])
    listeners.last.exchange.send(bytes(2 * page_queue.CONNECTION_UNSENT_BYTES))
    await peer.talk()

    number = await peer.ask("GET", "/page")
    begun[0].respond(200, [])
    await peer.talk()

    assert peer.status(number) == 200


async def test_small_pages_that_nobody_takes_are_bounded_by_their_number() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    listeners = Listeners()
    peer = Peer(lambda each: Page(each) if each.request.path == b"/page" else listeners(each))
    await peer.begin()
    listeners.last.exchange.begin(200, [])
    listeners.last.exchange.send(bytes(70_000))  # the window of the connection is full
    await peer.talk()

    for _ in range(2 * page_queue.MOST_UNTAKEN_PAGES):
        await peer.ask("GET", "/page")
        for exchange in begun:
            exchange.respond(200, [], b"small")

    assert len(begun) <= page_queue.MOST_UNTAKEN_PAGES + page_queue.MOST_PAGES


async def test_pages_of_a_client_that_left_are_not_made() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    peer = Peer(Page)
    numbers = [await peer.ask("GET") for _ in range(page_queue.MOST_PAGES + 5)]
    for number in numbers[page_queue.MOST_PAGES :]:
        peer.http2.reset_stream(number)
    await peer.talk()
    for exchange in begun[:]:
        exchange.respond(200, [])
    await peer.talk()

    assert len(begun) == page_queue.MOST_PAGES


# Turns


async def test_a_turn_parses_so_much_and_the_rest_follows() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    peer.connection.data_received(DataFrame(number, bytes(16000)).serialize() * 8)
    in_this_turn = sum(map(len, listeners.last.heard))
    assert in_this_turn <= TURN_BYTES
    assert not peer.wire.is_being_read

    await settle()
    assert sum(map(len, listeners.last.heard)) == 8 * 16000
    assert peer.wire.is_being_read


async def test_a_turn_begins_so_many_requests_and_the_rest_follows() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.talk()
    for _ in range(3 * BEGUN_A_TURN):
        number = peer.http2.get_next_available_stream_id()
        head = [(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a")]
        peer.http2.send_headers(number, head, end_stream=True)

    peer.connection.data_received(peer.http2.data_to_send())
    assert len(listeners.all) == BEGUN_A_TURN

    await settle()
    assert len(listeners.all) == 3 * BEGUN_A_TURN


# Limits

PING = PingFrame(0, b"12345678").serialize()
SETTINGS = SettingsFrame(0, {4: 65535}).serialize()
CRUMB = DataFrame(1, b"x").serialize()


@pytest.mark.parametrize(
    ("kind", "flood"),
    [("pings", PING * 900), ("settings", SETTINGS * 200), ("crumbs", CRUMB * 30_000)],
)
async def test_a_flood_ends_its_connection_and_nothing_behind_it_is_heard(
    kind: str, flood: bytes
) -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    await peer.send(flood)
    for _ in range(100):
        await settle()
    await peer.send(DataFrame(number, b"behind it").serialize())
    peer.hear()

    assert peer.goaway == ENHANCE_YOUR_CALM
    assert peer.wire.is_closed
    assert b"behind it" not in listeners.last.heard
    assert listeners.last.said == ["gone"]
    assert peer.connections.struck[kind] == 1


async def test_frames_that_ask_for_nothing_in_a_lawful_measure_end_nothing() -> None:
    peer = Peer(Echo)
    await peer.talk()

    for _ in range(20):
        await peer.send(PING * 10 + PriorityFrame(7, depends_on=0).serialize() * 10)
        await peer.timers.advance(5.0)
        peer.hear()

    assert peer.body(await peer.ask(body=b"well")) == b"well"


# Time


async def test_a_peer_that_sends_no_settings_is_cut() -> None:
    peer = Peer(Echo)

    await peer.timers.advance(http2_watch.FIRST_SETTINGS_SECONDS + 1)

    assert peer.wire.was_aborted
    assert peer.connections.struck["first_settings"] == 1


async def test_a_silent_peer_is_asked_and_one_that_answers_stays() -> None:
    peer = Peer(Listeners(), ConnectionLimits(keepalive_seconds=30.0))
    await peer.begin()

    for _ in range(5):
        await peer.timers.advance(30.0)
        await peer.talk()  # h2 answers

    assert not peer.wire.is_closed
    assert peer.of(h2.events.PingReceived)


async def test_a_peer_that_answers_nothing_is_gone() -> None:
    listeners = Listeners()
    peer = Peer(listeners, ConnectionLimits(keepalive_seconds=30.0))
    await peer.begin()

    await peer.timers.advance(120.0)

    assert peer.wire.was_aborted
    assert listeners.last.said == ["gone"]
    assert peer.connections.struck["keepalive"] == 1


async def test_a_connection_of_no_use_is_closed_with_a_goodbye() -> None:
    peer = Peer(Echo, ConnectionLimits(idle_seconds=600.0))
    await peer.ask(body=b"1")

    for _ in range(25):
        if not peer.wire.is_closed:
            await peer.timers.advance(30.0)
            await peer.talk()

    assert peer.wire.is_closed
    assert not peer.wire.was_aborted
    assert peer.goaway == 0
    assert peer.connections.struck["idle"] == 1


async def test_a_subscription_keeps_its_connection() -> None:
    peer = Peer(Listeners(), ConnectionLimits(idle_seconds=600.0))
    await peer.begin()

    for _ in range(40):
        await peer.timers.advance(30.0)
        await peer.talk()

    assert not peer.wire.is_closed


# The end


async def test_a_drain_lets_what_is_open_end_and_says_goodbye_then() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    peer.connections.drain()
    await peer.talk()
    assert peer.goaway is None, "h2 takes it for the end of every stream"
    listeners.last.exchange.respond(200, [], b"last")
    await peer.say(number, b"", is_last=True)

    assert peer.body(number) == b"last"
    assert peer.goaway == 0
    assert peer.wire.is_closed


async def test_a_drain_closes_a_connection_of_no_use_at_once() -> None:
    peer = Peer(Echo)
    await peer.ask(body=b"1")

    peer.connections.drain()
    await peer.talk()

    assert peer.goaway == 0
    assert peer.wire.is_closed


async def test_a_client_that_says_goodbye_is_closed_when_its_streams_are_done() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.ask()

    peer.http2.close_connection()
    await peer.talk()
    assert not peer.wire.is_closed
    listeners.last.exchange.respond(200, [])
    await settle()

    assert peer.wire.is_closed
