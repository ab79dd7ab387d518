import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.protocol.json_stream import LONGEST_STRING, JsonStrings

white_space = st.text(" \t\r\n", max_size=3)
strings = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.lists(st.tuples(white_space, strings, st.booleans())), st.data())
def test_strings_come_out_whole_wherever_the_chunks_are_cut(
    parts: list[tuple[str, str, bool]], data: st.DataObject
) -> None:
    stream = "".join(
        space + json.dumps(text, ensure_ascii=plain) for space, text, plain in parts
    ).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    reader = JsonStrings()

    out: list[str] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += reader.feed(stream[start:stop])

    assert out == [text for _, text, _ in parts]
    assert reader.is_between
    assert not reader.is_broken


def test_strings_come_out_whole_when_every_byte_comes_alone() -> None:
    reader = JsonStrings()
    stream = '"INIT" "A\\u0043K"\n"DACK 5""é\\\\"'.encode()

    out = [text for byte in stream for text in reader.feed(bytes([byte]))]

    assert out == ["INIT", "ACK", "DACK 5", "é\\"]


@pytest.mark.parametrize(
    "stream",
    [
        b"ACK",
        b"1",
        b"null",
        b'{"a": "b"}',
        b"[" * 10_000,
        b'"a\nb"',
        b'"\\x"',
        b'"\\u12"',
        b'"\\u12g4"',
        b'"\xff"',
        b'"a", "b"',
        b"'ACK'",
        b'"\x00"',
        b"\xef\xbb\xbf",
    ],
)
def test_what_is_no_json_string_breaks_the_stream(stream: bytes) -> None:
    reader = JsonStrings()

    out = reader.feed(b'"before"' + stream)

    assert out[:1] == ["before"]
    assert reader.is_broken
    assert reader.feed(b'"after"') == []


def test_endless_string_breaks_the_stream_before_it_costs_memory() -> None:
    reader = JsonStrings()

    fed = 0
    while not reader.is_broken:
        reader.feed(b'"' + b"x" * 100 if not fed else b"x" * 100)
        fed += 100

    assert fed <= LONGEST_STRING + 100


@given(st.binary(max_size=200), st.integers(1, 10))
def test_any_bytes_are_read_the_same_in_pieces_as_whole(stream: bytes, size: int) -> None:
    whole, pieces = JsonStrings(), JsonStrings()

    expected = whole.feed(stream)
    out = [
        text
        for start in range(0, len(stream), size)
        for text in pieces.feed(stream[start : start + size])
    ]

    assert out == expected
    assert pieces.is_broken == whole.is_broken


@pytest.mark.parametrize("letters", [b"a", b"\\u0041"], ids=["plain", "escaped"])
@pytest.mark.parametrize("step", [1, 10_000], ids=["byte by byte", "at once"])
def test_longest_command_has_as_many_bytes_as_is_told_quotes_included(
    letters: bytes, step: int
) -> None:
    def read(size: int) -> JsonStrings:
        inside = size - len(b'""') - len(letters)
        stream = b'"' + b"a" * inside + letters + b'"'
        assert len(stream) == size
        reader = JsonStrings()
        for at in range(0, len(stream), step):
            reader.feed(stream[at : at + step])
        return reader

    assert not read(LONGEST_STRING).is_broken
    assert read(LONGEST_STRING + 1).is_broken
