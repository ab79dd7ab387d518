"""Snapshots as text: what is written, what is read, and what is refused."""

import base64
import io
import json
from collections.abc import Sequence

import pytest

from miniqueue_py.http.dialects.zapq import snapshot_format
from miniqueue_py.http.dialects.zapq.snapshot_format import (
    SLICE,
    SLICE_BYTES,
    BadSnapshot,
    SnapshotReader,
    SnapshotWriter,
)

LONGEST = 1000
BODIES = [b"", b"a", b"ab", b"abc", bytes(range(256)), b"\xff" * LONGEST]


class Pieces(io.BytesIO):
    """A file that gives so many bytes at a time."""

    def __init__(self, text: bytes, size: int) -> None:
        super().__init__(text)
        self._size = size

    def read(self, _size: int | None = -1, /) -> bytes:
        return super().read(self._size)


def write(*slices: Sequence[bytes]) -> bytes:
    file = io.BytesIO()
    writer = SnapshotWriter(file)
    for bodies in slices:
        writer.write(bodies)
    writer.finish()
    return file.getvalue()


def read(text: bytes, size: int = 1 << 18, longest: int = LONGEST) -> list[bytes]:
    reader = SnapshotReader(Pieces(text, size), longest)
    bodies: list[bytes] = []
    while some := reader.read():
        bodies += some
    assert not reader.read()
    return bodies


def go(bodies: Sequence[bytes]) -> bytes:
    """As Go's json.NewEncoder writes a [][]byte."""
    encoded = [base64.b64encode(body).decode() for body in bodies]
    return json.dumps(encoded, separators=(",", ":")).encode() + b"\n"


def test_snapshot_has_one_message_a_line_and_is_json() -> None:
    text = write([b"hello", b"world"], [], [b""])

    assert text == b'[\n"aGVsbG8=",\n"d29ybGQ=",\n""\n]\n'
    assert json.loads(text) == ["aGVsbG8=", "d29ybGQ=", ""]


def test_empty_queue_is_an_empty_array() -> None:
    assert write() == write([]) == b"[]\n"
    assert read(write()) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 18])
def test_what_was_written_is_read_wherever_it_is_cut(size: int) -> None:
    assert read(write(BODIES[:2], BODIES[2:]), size) == BODIES
    assert read(go(BODIES), size) == BODIES
    assert read(json.dumps(json.loads(go(BODIES)), indent="\t").encode(), size) == BODIES


def test_slash_of_base64_may_be_escaped() -> None:
    assert read(rb'["\/\/\/\/","aGk="]') == [b"\xff\xff\xff", b"hi"]


def test_slices_are_small_and_nothing_is_missing_between_them() -> None:
    many = [b"%d" % i for i in range(3 * SLICE + 1)]
    long = [bytes([i]) * (SLICE_BYTES // 4) for i in range(20)]

    for bodies, most in ((many, SLICE), (long, 4)):
        reader = SnapshotReader(io.BytesIO(write(bodies)), SLICE_BYTES)
        slices = list(iter(reader.read, []))
        assert max(map(len, slices)) == most
        assert [body for each in slices for body in each] == bodies


def test_no_more_than_a_message_and_a_piece_of_the_file_is_held() -> None:
    reader = SnapshotReader(io.BytesIO(write([b"x" * 60] * 100_000)), LONGEST)

    held = []
    while reader.read():
        held.append(len(reader._text))

    assert max(held) < snapshot_format._CHUNK_BYTES + 2 * LONGEST


@pytest.mark.parametrize("size", [1, 1 << 18])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"null", "not a JSON array"),
        (b"{}", "not a JSON array"),
        (b'{"messages":["aGk="]}', "not a JSON array"),
        (b'"aGk="', "not a JSON array"),
        (b"\xef\xbb\xbf[]", "not a JSON array"),
        (b"\x00\x01\x02", "not a JSON array"),
        (b"[1]", "message 1 is none"),
        (b"[null]", "message 1 is none"),
        (b'["aGk=",true]', "message 2 is none"),
        (b'[["aGk="]]', "message 1 is none"),
        (b'["aGk=",]', "message 2 is none"),
        (b'[,"aGk="]', "message 1 is none"),
        (b'["aGk=" "aGk="]', "neither , nor ]"),
        (b'["aGk=";"aGk="]', "neither , nor ]"),
        (b'["aGk="}', "neither , nor ]"),
        (b"[", "cut off in message 1"),
        (b'["aGk="', "cut off in message 1"),
        (b'["aGk=",', "cut off in message 2"),
        (b'["aGk=","aG', "cut off in message 2"),
        (b'["aGk="]x', "goes on behind"),
        (b'["aGk="]\n["aGk="]', "goes on behind"),
        (b"[]]", "goes on behind"),
        (b'["hello, world"]', "not base64 in message 1"),
        (b'["aGk"]', "not base64 in message 1"),
        (b'["aGk=="]', "not base64 in message 1"),
        (b'["=aGk"]', "not base64 in message 1"),
        (b'["aGk=aGk="]', "not base64 in message 1"),
        (b'["-_-_"]', "not base64 in message 1"),
        (b'["aG\nk="]', "not base64 in message 1"),
        (rb'["aG\nk="]', "not base64 in message 1"),
        (rb'["\u00fc"]', "not base64 in message 1"),
        (rb'["\x41"]', "not base64 in message 1"),
        (b'["\xff\xff\xff\xff"]', "not base64 in message 1"),
        (go([b"x", b"y" * (LONGEST + 1)]), "message 2 longer than 1000 bytes"),
        (b'["aGk=","' + b"A" * (1 << 20), "message 2 longer than 1000 bytes"),
    ],
)
def test_what_is_no_snapshot_is_refused_with_words(text: bytes, words: str, size: int) -> None:
    with pytest.raises(BadSnapshot, match=words.replace("]", r"\]")):
        read(text, size)


def test_file_that_is_cut_anywhere_is_refused() -> None:
    for whole in (write([b"one", b"two", b"three"]).strip(), go([b"one", b"two"]).strip()):
        for length in range(len(whole)):
            with pytest.raises(BadSnapshot):
                read(whole[:length])
