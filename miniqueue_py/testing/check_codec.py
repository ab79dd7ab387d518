"""What every HTTP/2 codec promises, as checks to run on a client and a server of any kind.

    check_codec(Ngh2Codec, H2Codec)

The two are joined in memory, or one is fed with frames made by hand; what was
told is compared with what was sent.
"""

from collections.abc import Callable

from miniqueue_py.http2.choose import NewCodec
from miniqueue_py.http2.codec import CANCEL, NO_ERROR, REFUSED_STREAM
from miniqueue_py.testing import (
    check_codec_ends,
    check_codec_flow,
    check_codec_streams,
    check_codec_violations,
)
from miniqueue_py.testing.codecs import (
    ANSWER,
    MANY,
    REQUEST,
    SETTINGS,
    WINDOW,
    Side,
    exchange,
    frames_of,
    goaway,
    goaway_code,
    joined,
    takes_no_more,
    window_update,
)

Check = Callable[[NewCodec, NewCodec], None]


def check_codec(new_client: NewCodec, new_server: NewCodec) -> None:
    """Run every check. Raises AssertionError."""
    for check in CHECKS:
        check(new_client, new_server)


# Greeting


def check_each_side_is_told_the_others_settings(new_client: NewCodec, new_server: NewCodec) -> None:
    client = Side(new_client, is_client=True, window=70_000)
    server = Side(new_server, is_client=False, window=80_000, most_streams=77)
    exchange(client, server)
    for side, expected in ((client, {4: 80_000, 3: 77}), (server, {4: 70_000, 2: 0})):
        [at] = [n for n, each in enumerate(side.told) if each[0] == "settings"]
        settings = side.told[at][1]
        assert isinstance(settings, dict)
        assert expected.items() <= settings.items()
        assert ("window", 0) in side.told[at:]


def check_it_greets_before_anything_came(new_client: NewCodec, new_server: NewCodec) -> None:
    client = Side(new_client, is_client=True).say()
    assert client.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert frames_of(client[24:])[0][0] == 4
    assert frames_of(Side(new_server, is_client=False).say())[0][0] == 4


def check_bytes_may_come_one_by_one(new_client: NewCodec, new_server: NewCodec) -> None:
    client = Side(new_client, is_client=True)
    server = Side(new_server, is_client=False)
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, b"question", ends=True)
    exchange(client, server, piece=1)
    server.codec.respond(stream_id, ANSWER)
    server.codec.send(stream_id, b"answer", ends=True)
    exchange(client, server, piece=1)
    assert (server.body(stream_id), client.body(stream_id)) == (b"question", b"answer")


def check_bytes_may_be_taken_one_by_one(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, b"question" * 5_000, ends=True)
    said = b""
    while byte := client.codec.take(1):
        assert len(byte) == 1
        said += byte
    server.hear(said)
    assert server.body(stream_id) == b"question" * 5_000


def check_it_tells_if_there_is_something_to_take(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    server.grants = False
    for side in (client, server):
        assert not side.codec.wants_take
    stream_id = client.codec.open(REQUEST)
    assert client.codec.wants_take
    client.codec.send(stream_id, bytes(WINDOW))
    exchange(client, server)
    client.codec.send(stream_id, b"behind a closed window")
    assert not client.codec.wants_take
    server.codec.grant(stream_id, WINDOW)
    assert server.codec.wants_take
    exchange(client, server)
    server.hear(window_update(0, 0))
    assert server.codec.wants_take
    server.say()
    assert not server.codec.wants_take


# Signs of life


def check_a_ping_is_answered(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    for one, other in ((client, server), (server, client)):
        one.codec.ping(b"abcdefgh")
        exchange(client, server)
        assert other.told == [("ping",)]
        assert one.told == [("pong", b"abcdefgh")]
        client.told.clear()
        server.told.clear()


# The end of a connection


def check_an_announced_end_lets_streams_go_on(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    exchange(client, server)
    late = client.codec.open(REQUEST)
    on_its_way = client.say()
    client.hear(goaway((1 << 31) - 1))  # what a server says that is to be closed soon
    server.hear(on_its_way)
    exchange(client, server)
    assert client.told == [("goaway", (1 << 31) - 1, NO_ERROR)]
    assert takes_no_more(client)
    assert server.begun() == [stream_id, late]
    for each in (stream_id, late):
        client.codec.send(each, b"question", ends=True)
        server.codec.respond(each, ANSWER)
        server.codec.send(each, b"answer", ends=True)
    exchange(client, server)
    assert [server.body(each) for each in (stream_id, late)] == [b"question"] * 2
    assert [client.body(each) for each in (stream_id, late)] == [b"answer"] * 2
    assert not server.codec.is_broken
    assert client.codec.is_broken  # there is nothing left for it


def check_what_was_sent_leaves_before_the_end(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST, ends=True)
    exchange(client, server)
    server.codec.respond(stream_id, ANSWER)
    server.codec.send(stream_id, b"answer" * 5_000, ends=True)
    server.codec.end()
    assert server.codec.is_broken
    client.hear(server.say())
    assert client.body(stream_id) == b"answer" * 5_000
    assert client.told[-1] == ("goaway", stream_id, NO_ERROR)


def check_an_end_tells_its_code_and_its_last_stream(
    new_client: NewCodec, new_server: NewCodec
) -> None:
    client, server = joined(new_client, new_server)
    told = client.codec.open(REQUEST)
    server.hear(client.say())
    client.codec.open(REQUEST)
    server.codec.feed(client.say())  # not dispatched
    server.codec.end(11)
    assert not server.codec.dispatch(MANY)
    assert server.begun() == [told]
    said = server.say()
    assert goaway_code(said) == 11
    client.hear(said)
    assert ("goaway", told, 11) in client.told


def check_every_verb_is_harmless_behind_the_end(new_client: NewCodec, new_server: NewCodec) -> None:
    client, server = joined(new_client, new_server)
    stream_id = client.codec.open(REQUEST)
    client.codec.send(stream_id, b"question")
    server.grants = False
    exchange(client, server)
    for side in (client, server):
        side.codec.end()
        side.say()
        codec = side.codec
        codec.respond(stream_id, ANSWER)
        codec.inform(stream_id, [(b":status", b"100")])
        codec.send(stream_id, b"more", ends=True)
        codec.reset(stream_id, CANCEL)
        codec.grant(stream_id, 1)
        codec.ping(b"12345678")
        codec.end()
        codec.feed(SETTINGS)
        assert not codec.dispatch(MANY)
        assert codec.queued(stream_id) == 0
        assert codec.take(MANY) == b""
        assert codec.is_broken
    assert takes_no_more(client)


def check_streams_above_the_last_one_are_told(new_client: NewCodec, _: NewCodec) -> None:
    client = Side(new_client, is_client=True)
    client.hear(SETTINGS)
    first, second = client.codec.open(REQUEST), client.codec.open(REQUEST)
    client.say()
    client.told.clear()
    client.hear(goaway(first))
    assert client.told == [("goaway", first, NO_ERROR), ("closed", second, REFUSED_STREAM)]
    assert not client.codec.is_broken
    client.codec.send(first, b"question", ends=True)
    assert (0, 1, first, b"question") in frames_of(client.say())


_PARTS = (check_codec_streams, check_codec_ends, check_codec_flow, check_codec_violations)

CHECKS: tuple[Check, ...] = (
    *(
        check
        for name, check in globals().items()
        if name.startswith("check_") and check is not check_codec and check not in _PARTS
    ),
    *(check for part in _PARTS for check in part.CHECKS),
)
