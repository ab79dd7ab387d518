"""Checks of what ends a connection: what is no HTTP/2, and what is too much of it."""

from collections.abc import Callable

from miniqueue_py.http2.choose import NewCodec
from miniqueue_py.http2.codec import ENHANCE_YOUR_CALM, NO_ERROR, PROTOCOL_ERROR
from miniqueue_py.http2.limits import MOST_QUEUED_ACKS, RESETS
from miniqueue_py.testing.codecs import (
    PING,
    PREFACE,
    REQUEST,
    SETTINGS,
    Side,
    block,
    data,
    frame,
    frames_of,
    goaway_code,
    head,
    new_server,
    reset,
    window_update,
)

_FIELD = (b"name", b"value")


def check_a_broken_preface_is_answered_by_a_goaway(_: NewCodec, new: NewCodec) -> None:
    for greeting in (b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", PREFACE[:20] + b"xxxx"):
        server = Side(new, is_client=False)
        server.hear(greeting)
        assert goaway_code(server.say()) != NO_ERROR
        assert server.codec.is_broken
        server.hear(PREFACE + SETTINGS + head(1))
        assert server.told == []


def check_a_client_knows_who_speaks_no_http2(new: NewCodec, _: NewCodec) -> None:
    client = Side(new, is_client=True)
    client.say()
    client.hear(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    assert goaway_code(client.say()) != NO_ERROR
    assert client.codec.is_broken
    assert client.told == []


def check_what_breaks_the_rules_ends_the_connection(_: NewCodec, new: NewCodec) -> None:
    for name, violation in {
        "DATA on the connection": data(0, b"x"),
        "DATA on a stream that never began": data(5, b"x"),
        "a frame too long": frame(0, 0, 1, bytes((1 << 14) + 1)),
        "a window of nothing more": window_update(0, 0),
        "a window too large": window_update(0, (1 << 31) - 1) * 2,
        "SETTINGS of five bytes": frame(4, 0, 0, bytes(5)),
        "SETTINGS on a stream": frame(4, 0, 1),
        "PING of seven bytes": frame(6, 0, 0, bytes(7)),
        "a head that is no HPACK": frame(1, 4, 3, b"\xff" * 20),
        "a head with something in between": frame(1, 0, 3, block(REQUEST)) + PING,
        "CONTINUATION of nothing": frame(9, 4, 1, b""),
        "an even stream": head(2),
        "a reset of a stream that never began": reset(9),
        "a push": frame(5, 4, 1, bytes(4) + block(REQUEST)),
    }.items():
        server = new_server(new)
        server.hear(head(1))
        server.hear(violation + head(21))
        assert goaway_code(server.say()) != NO_ERROR, name
        assert server.codec.is_broken, name
        assert 21 not in server.begun(), name
        server.hear(head(23))
        assert 23 not in server.begun(), name


def check_what_breaks_a_streams_rules_ends_it_or_the_connection(_: NewCodec, new: NewCodec) -> None:
    acknowledged = frame(4, 1, 0)
    for name, violation in {
        "more than the window": data(1, bytes(11)),
        "a window too large": window_update(1, (1 << 31) - 1),
        "a window of nothing more": window_update(1, 0),
        "DATA behind the end": data(3, b"x"),
    }.items():
        server = Side(new, is_client=False, window=10)
        server.hear(PREFACE + SETTINGS + acknowledged + head(1) + head(3, ends=True))
        server.say()
        server.hear(violation)
        said = [kind for kind, *_rest in frames_of(server.say())]
        assert said in ([3], [7]), name
        assert server.codec.is_broken == (said == [7]), name
        assert server.codec.is_broken or len(server.closed(1) + server.closed(3)) == 1, name
        assert server.body(1) + server.body(3) == b"", name


def check_nothing_waits_to_be_told_behind_a_violation(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.codec.feed(head(1) + head(3) + frame(9, 4, 1, b""))
    server.codec.dispatch(1)
    server.say()
    assert server.codec.is_broken
    assert not server.codec.dispatch(1)
    assert 3 not in server.begun()


def check_an_end_behind_a_violation_changes_nothing(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.hear(data(0, b"x"))
    server.codec.end()
    assert server.codec.is_broken
    assert goaway_code(server.say()) == PROTOCOL_ERROR


def check_a_goaway_may_be_taken_in_pieces(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.hear(window_update(0, 0))
    said = b""
    while byte := server.codec.take(1):
        said += byte
    assert goaway_code(said) != NO_ERROR
    assert server.codec.is_broken


# Too much


def check_a_head_may_have_a_hundred_fields(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.hear(head(1, [*REQUEST, *[_FIELD] * 96]))
    assert server.begun() == [1]
    server.hear(head(3, [*REQUEST, *[_FIELD] * 97]))
    assert server.begun() == [1]
    _is_calmed(server)


def check_a_head_is_not_too_long(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    fields = [*REQUEST, *[(b"name", bytes([65]) * 4_000)] * 20]
    whole = block(fields)
    first, *others = [whole[start : start + 16_000] for start in range(0, len(whole), 16_000)]
    *middle, last = others
    server.hear(
        frame(1, 0, 1, first)
        + b"".join(frame(9, 0, 1, piece) for piece in middle)
        + frame(9, 4, 1, last)
    )
    assert server.begun() == []
    assert goaway_code(server.say()) != NO_ERROR
    assert server.codec.is_broken


def check_continuations_have_an_end(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.hear(frame(1, 0, 1, block(REQUEST)) + frame(9, 0, 1) * 9)
    _is_calmed(server)


def check_resets_are_rationed(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    for stream_id in range(1, 2 * RESETS[0] + 1_001, 2):
        server.hear(head(stream_id) + reset(stream_id))
    assert goaway_code(server.say()) != NO_ERROR  # libnghttp2 says INTERNAL_ERROR
    assert server.codec.is_broken


def check_answers_that_nobody_takes_are_bounded(_: NewCodec, new: NewCodec) -> None:
    for asked in (PING, SETTINGS):
        server = new_server(new)
        server.hear(asked * (MOST_QUEUED_ACKS + 100))
        _is_calmed(server)


def check_answers_that_are_taken_are_not(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    for _turn in range(11):
        server.hear(PING * 100)
        server.say()
    assert not server.codec.is_broken


def check_settings_are_few(_: NewCodec, new: NewCodec) -> None:
    server = new_server(new)
    server.hear(frame(4, 0, 0, (b"\0\4" + (1 << 16).to_bytes(4, "big")) * 33))
    _is_calmed(server)


def check_streams_beyond_the_bound_are_refused(_: NewCodec, new: NewCodec) -> None:
    server = Side(new, is_client=False, most_streams=2)
    server.hear(PREFACE + SETTINGS)
    server.hear(head(1) + head(3) + head(5))
    assert server.begun() == [1, 3]
    assert not server.codec.is_broken


def _is_calmed(server: Side) -> None:
    assert goaway_code(server.say()) == ENHANCE_YOUR_CALM
    assert server.codec.is_broken


CHECKS: tuple[Callable[[NewCodec, NewCodec], None], ...] = tuple(
    check for name, check in globals().items() if name.startswith("check_")
)
