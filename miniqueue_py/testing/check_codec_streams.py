"""Checks of a codec's streams: how requests and answers go."""

from collections.abc import Callable

from miniqueue_py.http2.choose import NewCodec
from miniqueue_py.testing.codecs import (
    ANSWER,
    REQUEST,
    data,
    exchange,
    frames_of,
    head,
    joined,
    new_server,
)


def check_a_request_is_answered(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, b"ques")
    client.codec.send(stream_id, b"tion", ends=True)
    exchange(client, server)
    assert server.told[0] == ("headers", stream_id, tuple(REQUEST), False)
    assert server.body(stream_id) == b"question"
    assert server.has_ended(stream_id)
    server.codec.respond(stream_id, ANSWER)
    server.codec.send(stream_id, b"answer", ends=True)
    exchange(client, server)
    assert client.told[0] == ("headers", stream_id, tuple(ANSWER), False)
    assert client.body(stream_id) == b"answer"
    assert client.has_ended(stream_id)
    assert not client.closed(stream_id)
    assert not server.closed(stream_id)


def check_heads_alone_may_be_all(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST, ends=True)
    exchange(client, server)
    server.codec.respond(stream_id, ANSWER, ends=True)
    exchange(client, server)
    assert server.told == [("headers", stream_id, tuple(REQUEST), True)]
    assert client.told == [("headers", stream_id, tuple(ANSWER), True)]


def check_an_end_may_come_alone(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, b"question")
    exchange(client, server)
    assert not server.has_ended(stream_id)
    client.codec.send(stream_id, b"", ends=True)
    server.codec.respond(stream_id, ANSWER)
    server.codec.send(stream_id, b"", ends=True)
    exchange(client, server)
    assert server.told[-1] == ("data", stream_id, b"", True)
    assert client.told[-1] == ("data", stream_id, b"", True)


def check_both_ways_flow_at_once(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    exchange(client, server)
    server.codec.respond(stream_id, ANSWER)
    for n in range(5):
        client.codec.send(stream_id, b"q%d" % n)
        server.codec.send(stream_id, b"a%d" % n)
        exchange(client, server)
        assert server.body(stream_id).endswith(b"q%d" % n)
        assert client.body(stream_id).endswith(b"a%d" % n)


def check_streams_are_numbered_upwards(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    opened = [client.codec.open(REQUEST) for _ in range(3)]
    exchange(client, server)
    assert opened == sorted(set(opened))
    assert server.begun() == opened


def check_interim_answers_are_not_told(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    exchange(client, server)
    server.codec.inform(stream_id, [(b":status", b"100")])
    said = server.say()
    assert [each[0] for each in frames_of(said)] == [1]
    client.hear(said)
    assert client.told == []
    server.codec.respond(stream_id, ANSWER, ends=True)
    server.codec.inform(stream_id, [(b":status", b"103")])  # too late
    exchange(client, server)
    assert client.told == [("headers", stream_id, tuple(ANSWER), True)]


def check_a_body_needs_a_head_and_has_one_end(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST, ends=True)
    exchange(client, server)
    server.codec.send(stream_id, b"before the head")
    server.codec.respond(stream_id, ANSWER)
    server.codec.respond(stream_id, [(b":status", b"500")])
    server.codec.send(stream_id, b"answer", ends=True)
    server.codec.send(stream_id, b"behind the end", ends=True)
    exchange(client, server)
    assert client.told[0] == ("headers", stream_id, tuple(ANSWER), False)
    assert client.body(stream_id) == b"answer"


def check_empty_pieces_are_told(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.told.clear()
    server.hear(head(1) + data(1, b"") * 3 + data(1, b"question") + data(1, b"", ends=True))
    assert [each[2:] for each in server.told[1:]] == [
        *[(b"", False)] * 3,
        (b"question", False),
        (b"", True),
    ]


def check_trailers_are_an_end(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.told.clear()
    server.hear(head(1) + data(1, b"question") + head(1, [(b"checksum", b"1")], ends=True))
    assert server.told == [
        ("headers", 1, tuple(REQUEST), False),
        ("data", 1, b"question", False),
        ("data", 1, b"", True),
    ]


def check_so_many_streams_begin_and_the_others_wait(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    opened = [client.codec.open(REQUEST, ends=True) for _ in range(5)]
    server.codec.feed(client.say())
    assert server.begun() == []
    assert server.codec.dispatch(2)
    assert server.begun() == opened[:2]
    server.codec.feed(client.say())
    assert server.codec.dispatch(2)
    assert not server.codec.dispatch(2)
    assert server.begun() == opened


def check_ten_thousand_streams_may_be_open(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    opened = [client.codec.open(REQUEST) for _ in range(10_000)]
    exchange(client, server)
    assert server.begun() == opened
    for stream_id in opened:
        client.codec.send(stream_id, b"question", ends=True)
        server.codec.respond(stream_id, ANSWER, ends=True)
    exchange(client, server)
    assert all(server.has_ended(stream_id) for stream_id in (opened[0], opened[-1]))
    assert client.begun() == opened


# Resets


CHECKS: tuple[Callable[[NewCodec, NewCodec], None], ...] = tuple(
    check for name, check in globals().items() if name.startswith("check_")
)
