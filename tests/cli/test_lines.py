"""Blocks of bytes become messages, wherever they are cut."""

import json
from base64 import b64encode

import pytest

from miniqueue_py.cli.lines import Bodies, Cutter, Read, read_json, read_text
from miniqueue_py.protocol.batch import BatchEntry
from miniqueue_py.protocol.lines import credit_line, full_credit_line, page_object

TEXT = b"one\n\ntwo\r\nthree"


@pytest.mark.parametrize("at", range(len(TEXT) + 1))
def test_lines_may_be_cut_anywhere(at: int) -> None:
    cutter = Cutter()

    pieces = [cutter.feed(TEXT[:at]), cutter.feed(TEXT[at:]), cutter.feed_end()]

    assert b"".join(pieces) == TEXT + b"\n"
    assert all(not piece or piece.endswith(b"\n") for piece in pieces)


def test_what_ends_with_its_last_line_has_no_rest() -> None:
    cutter = Cutter()

    assert cutter.feed(b"one\n") == b"one\n"
    assert cutter.feed_end() == b""


def test_text_is_taken_as_it_is() -> None:
    assert read_text(b"a\n\n\xff\r\n", 7) == Read([Bodies(range(7, 10), [b"a", b"", b"\xff\r"])])
    assert read_text(b"", 1).messages == [Bodies(range(1, 1), [])]


def test_deliveries_and_peeked_messages_are_read_in_one_go() -> None:
    lines = [
        credit_line(b"one", 1, 3, 4, 5),
        page_object(b"two", 3, 5, attempt=1, published_ms=6) + b"\n",
        credit_line(b"", 2, 3, 4, 5),
    ]

    read = read_json(b"".join(lines), 11)

    assert read == Read([Bodies(range(11, 14), [b"one", b"two", b""])])


def test_what_a_line_says_of_itself_is_kept() -> None:
    plain = credit_line(b"one", 1, 3, 4, 5)
    urgent = full_credit_line(b"two", 2, 3, 5, attempt=2, dack_count=1, priority=9, published_ms=6)

    read = read_json(plain + b"\n" + urgent + plain, 5)

    assert read.messages == [
        Bodies([5], [b"one"]),
        BatchEntry(b"two", priority=9, line=7),
        Bodies([8], [b"one"]),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense",
        b'{"msg":"YQ="}',
        b'{"msg":"Y=Q="}',
        b'{"msg":"YQ==","id":1,"attempt":1,"messageId":"1-1","publishedAt":1} {}',
        b'x{"msg":"YQ==","id":1,"attempt":1,"messageId":"1-1","publishedAt":1}',
        credit_line(b"one", 1, 3, 4, 5).replace(b"b25l", b"b2=").rstrip(b"\n"),
    ],
)
def test_what_cannot_be_read_is_named_and_what_is_before_it_is_read(bad: bytes) -> None:
    good = credit_line(b"one", 1, 3, 4, 5)

    read = read_json(good + good + bad + b"\n" + good, 100)

    assert read.messages == [Bodies([100, 101], [b"one", b"one"])]
    assert read.problem is not None
    assert read.problem.line == 102


def test_any_body_comes_out_as_it_went_in() -> None:
    body = bytes(range(256))
    line = json.dumps({"msg": b64encode(body).decode()}).encode() + b"\n"

    assert read_json(line, 1) == Read([Bodies([1], [body])])
