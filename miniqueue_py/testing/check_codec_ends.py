"""Checks of a codec's streams: every way in which they end."""

from collections.abc import Callable

from miniqueue_py.http2.choose import NewCodec
from miniqueue_py.http2.codec import CANCEL, NO_ERROR, PROTOCOL_ERROR
from miniqueue_py.testing.codecs import (
    ANSWER,
    CONNECTION_WINDOW,
    MANY,
    PREFACE,
    REQUEST,
    SETTINGS,
    Side,
    data,
    exchange,
    frame,
    frames_of,
    head,
    joined,
    new_server,
    reset,
)


def check_a_reset_is_told_to_the_other_side(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    for one, other in ((client, server), (server, client)):
        stream_id = client.codec.open(REQUEST)
        exchange(client, server)
        one.codec.reset(stream_id, CANCEL)
        one.codec.reset(stream_id, CANCEL)
        exchange(client, server)
        assert other.closed(stream_id) == [CANCEL]
        assert one.closed(stream_id) == []


def check_a_reset_drops_what_is_queued(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    exchange(client, server)
    client.codec.send(stream_id, b"question", ends=True)
    client.codec.reset(stream_id, CANCEL)
    client.codec.send(stream_id, b"more")
    exchange(client, server)
    assert server.body(stream_id) == b""
    assert server.closed(stream_id) == [CANCEL]


def check_resets_that_cross_are_told_to_nobody(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    exchange(client, server)
    client.codec.reset(stream_id, CANCEL)
    server.codec.reset(stream_id, CANCEL)
    exchange(client, server)
    assert not client.closed(stream_id)
    assert not server.closed(stream_id)


def check_a_stream_that_ended_cannot_break(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST, ends=True)
    exchange(client, server)
    server.codec.respond(stream_id, ANSWER, ends=True)
    exchange(client, server)
    for side in (client, server):
        side.codec.reset(stream_id, CANCEL)
        side.codec.send(stream_id, b"more")
        assert side.say() == b""
    server.hear(reset(stream_id))
    client.hear(reset(stream_id))
    assert not client.closed(stream_id)
    assert not server.closed(stream_id)
    assert not client.codec.is_broken
    assert not server.codec.is_broken


def check_a_stream_that_never_began_can_be_named(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.codec.respond(7, ANSWER)
    server.codec.send(7, b"answer", ends=True)
    server.codec.reset(7, CANCEL)
    assert server.codec.queued(7) == 0
    assert server.say() == b""


def check_a_stream_reset_before_its_turn_starts_nothing(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.told.clear()
    server.hear(head(1) + data(1, b"question") + reset(1))
    assert server.told == [("closed", 1, CANCEL)]  # it is counted, though it never began
    server.hear(head(3))
    assert server.begun() == [3]


def check_a_reset_silences_what_came_already(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.codec.feed(b"".join(head(n) + data(n, b"question") for n in (1, 3)))
    server.codec.dispatch(1)
    server.codec.reset(1, CANCEL)
    while server.codec.dispatch(MANY):
        pass
    assert server.body(1) == b""
    assert server.body(3) == b"question"


def check_an_answer_may_end_before_the_question(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, b"long ")
    exchange(client, server)
    server.codec.respond(stream_id, ANSWER, ends=True)
    exchange(client, server)
    assert client.has_ended(stream_id)
    client.codec.send(stream_id, b"question", ends=True)
    exchange(client, server)
    assert server.body(stream_id) == b"long question"
    assert server.has_ended(stream_id)
    assert not client.closed(stream_id)
    assert not server.closed(stream_id)


def check_an_answer_is_told_before_the_reset_behind_it(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, b"long ")
    exchange(client, server)
    server.codec.respond(stream_id, ANSWER)
    server.codec.send(stream_id, b"too long", ends=True)
    said = server.say()
    server.codec.reset(stream_id, NO_ERROR)
    client.hear(said + server.say())
    assert client.begun() == [stream_id]
    assert client.body(stream_id) == b"too long"
    assert client.closed(stream_id) == [NO_ERROR]


# Malformed


def check_a_body_of_a_wrong_length_breaks_its_stream(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    for body in (b"1234", b"123456"):
        client, server = joined(new_client, new_server)
        stream_id = client.codec.open([*REQUEST, (b"content-length", b"5")])
        exchange(client, server)
        client.codec.send(stream_id, body, ends=True)
        exchange(client, server)
        assert not server.has_ended(stream_id)
        assert server.closed(stream_id) == [PROTOCOL_ERROR]
        assert client.closed(stream_id) == [PROTOCOL_ERROR]
        assert not client.codec.is_broken
        assert not server.codec.is_broken


def check_bodies_of_wrong_lengths_cost_no_window(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    for declared in (b"5", b"15000"):
        for _ in range(3 * CONNECTION_WINDOW // 14_000):
            stream_id = client.codec.open([*REQUEST, (b"content-length", declared)])
            client.codec.send(stream_id, bytes(14_000), ends=True)
            exchange(client, server)
            assert client.closed(stream_id) == [PROTOCOL_ERROR]


def check_a_malformed_head_is_not_told(_: NewCodec, new: NewCodec) -> None:
    for field in ((b"Upper", b"1"), (b"connection", b"close"), (b":unknown", b"1"), (b"", b"1")):
        server = new_server(new)
        server.hear(head(1, [*REQUEST, field], ends=True))
        assert server.begun() == []
        ends = [each for each in frames_of(server.say()) if each[0] in {3, 7}]
        assert len(ends) == 1


def check_priorities_and_unknown_frames_are_passed_over(_: NewCodec, new: NewCodec) -> None:
    server = Side(new, is_client=False)
    server.hear(
        PREFACE + SETTINGS + frame(2, 0, 3, bytes(5)) + frame(99, 255, 1, b"what") + head(1)
    )
    assert server.begun() == [1]
    assert not server.codec.is_broken


CHECKS: tuple[Callable[[NewCodec, NewCodec], None], ...] = tuple(
    check for name, check in globals().items() if name.startswith("check_")
)
