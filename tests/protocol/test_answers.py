"""The lines of a server, read back by a client."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.errors import ProtocolError
from miniqueue_py.protocol.answers import Deliveries, LineReader
from miniqueue_py.protocol.lines import (
    closing_line,
    credit_line,
    error_line,
    expired_line,
    full_credit_line,
)
from tests.protocol.cuts import bytes_of, cut

ORIGIN = ("orders", "DEAD", 2, 1_795_000_000_000, None)

LINES = [
    credit_line(b"one", 1, 7, 9, 1_795_000_000_000),
    full_credit_line(b"two", 2, 7, 10, attempt=2, published_ms=5),
    full_credit_line(b"", 3, 7, 11, attempt=1, dack_count=2, priority=9, published_ms=5),
    full_credit_line(b"dead", 4, 7, 12, attempt=1, published_ms=None, origin=ORIGIN),
    expired_line(3),
    error_line('ACK 9: no such delivery "was" made'),
    closing_line("draining"),
]


def read(pieces: Iterable[bytes]) -> list[Mapping[str, Any] | tuple[bytes, ...]]:
    """Feed pieces; neighbours that came together count as lines of their own."""
    reader = LineReader(1 << 20)
    found: list[Mapping[str, Any] | tuple[bytes, ...]] = []
    for piece in pieces:
        for line in reader.feed(piece):
            if isinstance(line, Deliveries):
                found += line.plain
            else:
                found.append(line)
    return found


def test_a_plain_delivery_is_its_fields_and_others_are_what_their_json_says() -> None:
    first, second, third, fourth, expired, error, closing = read(LINES)

    assert first == (b"b25l", b"1", b"1", b"7-9", b"1795000000000")
    assert second == (b"dHdv", b"2", b"2", b"7-10", b"5")
    assert isinstance(third, Mapping)
    assert (third["dackCount"], third["priority"], third["msg"]) == (2, 9, "")
    assert isinstance(fourth, Mapping)
    assert fourth["dead"]["topic"] == "orders"
    assert expired == {"expired": 3}
    assert error == {"error": 'ACK 9: no such delivery "was" made'}
    assert closing == {"closing": "draining"}


def test_lines_are_the_same_when_they_come_byte_by_byte() -> None:
    assert read(bytes_of(b"".join(LINES))) == read(LINES)


@given(cut(st.lists(st.sampled_from(LINES), max_size=12).map(b"".join)))
def test_lines_are_the_same_wherever_they_are_cut(drawn: tuple[bytes, list[bytes]]) -> None:
    body, pieces = drawn

    assert read(pieces) == read([body])


@pytest.mark.parametrize("rubbish", [b"<html>\n", b"[1]\n", b'{"msg":\n', b"\xff\xfe\n", b"17\n"])
def test_what_is_no_line_is_refused(rubbish: bytes) -> None:
    with pytest.raises(ProtocolError, match="makes no sense"):
        read([LINES[0] + rubbish])


def test_a_line_without_an_end_is_refused_before_it_fills_memory() -> None:
    reader = LineReader(1000)
    reader.feed(b"x" * 1000)

    with pytest.raises(ProtocolError):
        reader.feed(b"x")
