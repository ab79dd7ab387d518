"""Checks of a codec's windows: what is granted comes, and nothing else does."""

from collections.abc import Callable

from miniqueue_py.http2.choose import NewCodec
from miniqueue_py.http2.codec import CANCEL
from miniqueue_py.testing.codecs import (
    ANSWER,
    CONNECTION_WINDOW,
    REQUEST,
    WINDOW,
    Side,
    data,
    exchange,
    frame,
    frames_of,
    greeted,
    head,
    joined,
    new_server,
    window_update,
)


def check_a_long_body_comes_as_it_is_granted(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    body = bytes(range(256)) * 4_000
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, body, ends=True)
    exchange(client, server)
    server.codec.respond(stream_id, ANSWER)
    server.codec.send(stream_id, body, ends=True)
    exchange(client, server)
    assert server.body(stream_id) == body
    assert client.body(stream_id) == body
    assert client.has_ended(stream_id)


def check_what_is_not_granted_waits_and_is_counted(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    server.grants = False
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, bytes(WINDOW))
    assert client.codec.queued(stream_id) == client.codec.queued_in_all() == WINDOW
    client.codec.send(stream_id, bytes(1_000), ends=True)
    exchange(client, server)
    assert len(server.body(stream_id)) == WINDOW
    assert client.codec.queued(stream_id) == client.codec.queued_in_all() == 1_000
    server.codec.grant(stream_id, WINDOW)
    exchange(client, server)
    assert ("window", stream_id) in client.told
    assert client.codec.queued(stream_id) == client.codec.queued_in_all() == 0
    assert server.has_ended(stream_id)


def check_who_grants_nothing_holds_up_itself_alone(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    server.grants = False
    stalled = client.codec.open(REQUEST)
    client.codec.send(stalled, bytes(2 * WINDOW))
    exchange(client, server)
    server.grants = True
    for _turn in range(8):
        stream_id = client.codec.open(REQUEST)
        client.codec.send(stream_id, bytes(WINDOW), ends=True)
        exchange(client, server)
        assert server.has_ended(stream_id)


def check_the_connections_window_bounds_all_streams(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    server.grants = False
    opened = [client.codec.open(REQUEST) for _turn in range(2 * CONNECTION_WINDOW // WINDOW)]
    for stream_id in opened:
        client.codec.send(stream_id, bytes(WINDOW), ends=True)
    exchange(client, server)
    came = {stream_id: len(server.body(stream_id)) for stream_id in opened}
    assert sum(came.values()) == CONNECTION_WINDOW
    server.grants = True
    for stream_id, size in came.items():
        if size:
            server.codec.grant(stream_id, size)
    exchange(client, server)
    assert all(server.has_ended(stream_id) for stream_id in opened)


def check_a_window_of_one_byte_is_a_window(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = greeted(
        Side(new_client, is_client=True, window=1), Side(new_server, is_client=False, window=1)
    )
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, b"question", ends=True)
    exchange(client, server)
    server.codec.respond(stream_id, ANSWER)
    server.codec.send(stream_id, b"answer", ends=True)
    exchange(client, server)
    assert (server.body(stream_id), client.body(stream_id)) == (b"question", b"answer")
    assert client.has_ended(stream_id)


def check_a_closed_window_opens_by_settings(_: NewCodec, new: NewCodec) -> None:
    server = Side(new, is_client=False)
    closed = frame(4, 0, 0, b"\0\4" + bytes(4))
    server.hear(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + closed + head(1, ends=True))
    server.codec.respond(1, ANSWER)
    server.codec.send(1, b"answer", ends=True)
    assert not any(each[0] == 0 for each in frames_of(server.say()))
    server.hear(frame(4, 0, 0, b"\0\4" + (100).to_bytes(4, "big")))
    assert ("window", 0) in server.told
    assert (0, 1, 1, b"answer") in frames_of(server.say())


def check_a_grant_on_a_closed_stream_is_the_connections(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    server.grants = False
    for closer in (client, server) * (2 * CONNECTION_WINDOW // WINDOW):
        stream_id = client.codec.open(REQUEST)
        client.codec.send(stream_id, bytes(WINDOW))
        exchange(client, server)
        assert len(server.body(stream_id)) == WINDOW
        closer.codec.reset(stream_id, CANCEL)
        exchange(client, server)
        server.codec.grant(stream_id, WINDOW)
        exchange(client, server)


def check_what_comes_on_a_closed_stream_is_granted_unseen(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    given = 0
    for stream_id in range(1, 201, 2):
        server.hear(head(stream_id))
        server.codec.reset(stream_id, CANCEL)
        server.say()
        server.hear(data(stream_id, bytes(14_000)))
        given += _granted(server.say(), 0)
        assert server.body(stream_id) == b""
    assert given >= 100 * 14_000 - CONNECTION_WINDOW // 2
    assert not server.codec.is_broken


def check_what_is_silenced_is_granted(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    given = 0
    for stream_id in range(1, 201, 2):
        server.codec.feed(head(stream_id) + data(stream_id, bytes(14_000)))
        server.codec.dispatch(1)
        server.codec.reset(stream_id, CANCEL)
        server.codec.dispatch(1)
        given += _granted(server.say(), 0)
    assert given >= 100 * 14_000 - CONNECTION_WINDOW // 2


def check_data_behind_our_end_is_told_and_granted(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.hear(head(1))
    server.codec.respond(1, ANSWER, ends=True)
    server.say()
    given = 0
    for _turn in range(20):
        server.hear(data(1, bytes(14_000)))
        given += _granted(server.say(), 1)
    assert len(server.body(1)) == 20 * 14_000
    assert given >= 20 * 14_000 - WINDOW


def check_padding_is_granted_unseen(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.hear(head(1))
    given = 0
    for _turn in range(1_000):
        server.hear(frame(0, 8, 1, bytes([200]) + b"x" + bytes(200)))
        given += _granted(server.say(), 1)
    assert server.body(1) == b"x" * 1_000
    assert given >= 1_000 * 202 - WINDOW


def check_a_servers_streams_take_turns(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = greeted(
        Side(new_client, is_client=True, window=1 << 20, connection_window=1 << 22),
        Side(new_server, is_client=False),
    )
    opened = [client.codec.open(REQUEST, ends=True) for _turn in range(3)]
    exchange(client, server)
    for stream_id in opened:
        server.codec.respond(stream_id, ANSWER)
        server.codec.send(stream_id, bytes(500_000), ends=True)
    client.hear(server.codec.take(200_000))
    assert all(len(client.body(stream_id)) > 40_000 for stream_id in opened)


def check_a_trickle_of_room_is_used(_: NewCodec, new: NewCodec) -> None:
    server = Side(new, is_client=False)
    closed = frame(4, 0, 0, b"\0\4" + bytes(4))
    server.hear(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + closed + head(1, ends=True))
    server.codec.respond(1, ANSWER)
    server.codec.send(1, b"answer", ends=True)
    server.say()
    body = b""
    for _turn in range(6):
        server.hear(window_update(1, 1))
        [(kind, _flags, _stream, payload)] = frames_of(server.say())
        assert (kind, len(payload)) == (0, 1)
        body += payload
    assert body == b"answer"


def _granted(said: bytes, stream_id: int) -> int:
    return sum(
        int.from_bytes(payload, "big")
        for kind, _flags, number, payload in frames_of(said)
        if (kind, number) == (8, stream_id)
    )


CHECKS: tuple[Callable[[NewCodec, NewCodec], None], ...] = tuple(
    check for name, check in globals().items() if name.startswith("check_")
)
