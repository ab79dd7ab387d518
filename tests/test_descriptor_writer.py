"""Writing to a descriptor that nobody drains waits for nothing, and loses nothing in silence."""

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from miniqueue_py.descriptor_writer import DescriptorWriter

PATIENCE = 10.0


class Pipe(NamedTuple):
    reading: int
    writing: int


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(*os.pipe())
    yield pipe
    os.close(pipe.reading)
    os.close(pipe.writing)


def lines(first: int, behind: int) -> list[bytes]:
    return [b"line %d\n" % number for number in range(first, behind)]


def read_until(pipe: Pipe, is_all: Callable[[bytes], bool]) -> bytes:
    read = b""
    while not is_all(read):
        read += os.read(pipe.reading, 1 << 16)
    return read


def test_what_is_written_comes_out_in_order(pipe: Pipe) -> None:
    writer = DescriptorWriter(pipe.writing)

    for line in lines(0, 5000):
        writer.write(line)

    expected = b"".join(lines(0, 5000))
    assert read_until(pipe, lambda read: len(read) >= len(expected)) == expected
    assert writer.wait_written(PATIENCE)
    assert os.get_blocking(pipe.writing), "the pipe belongs to others, too"


def test_who_writes_to_a_full_pipe_does_not_wait_and_what_does_not_fit_is_counted(
    pipe: Pipe,
) -> None:
    writer = DescriptorWriter(pipe.writing, most_kept_bytes=200_000)
    written = lines(0, 100_000)

    for line in written:
        writer.write(line)
    out = read_until(pipe, lambda read: read.endswith(b"nobody read them\n")).splitlines(True)

    kept = len(out) - 1
    assert 1000 < kept < 99_000
    assert out[:-1] == written[:kept]
    dropped = f"{100_000 - kept:,} lines were dropped: nobody read them\n"
    assert out[-1].decode() == f"miniqueue: {dropped}"


def test_lines_flow_again_behind_the_word_of_those_that_were_dropped(pipe: Pipe) -> None:
    writer = DescriptorWriter(pipe.writing, most_kept_bytes=40, dropped_line="{} lost".format)
    writer.write(b"one\n")
    writer.write(b"x" * 40 + b"\n")
    assert read_until(pipe, lambda read: read.count(b"\n") == 2) == b"one\n1 lost\n"

    writer.write(b"two\n")

    assert os.read(pipe.reading, 100) == b"two\n"


def test_waiting_for_what_is_kept_is_bounded(pipe: Pipe) -> None:
    writer = DescriptorWriter(pipe.writing)
    writer.write(b"x" * 100_000)

    assert not writer.wait_written(0.01)
    read_until(pipe, lambda read: len(read) == 100_000)
    assert writer.wait_written(PATIENCE)


def test_a_pipe_that_somebody_made_non_blocking_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    writer = DescriptorWriter(pipe.writing)

    writer.write(b"x" * 300_000 + b"\n")

    assert len(read_until(pipe, lambda read: read.endswith(b"\n"))) == 300_001


def test_it_outlives_its_reader() -> None:
    reading, writing = os.pipe()
    writer = DescriptorWriter(writing)
    os.close(reading)

    writer.write(b"one\n")

    assert writer.wait_written(PATIENCE)
    assert writer.write(b"two\n") == 4
    assert writer.wait_written(PATIENCE)
    os.close(writing)


def test_what_a_full_disk_did_not_take_is_counted_until_it_takes_some_again(pipe: Pipe) -> None:
    moving = os.open("/dev/full", os.O_WRONLY)
    writer = DescriptorWriter(moving)
    for line in (b"one\n", b"two\n", b"three\n"):
        writer.write(line)
        assert writer.wait_written(PATIENCE)

    os.dup2(pipe.writing, moving)
    writer.write(b"four\n")

    said = read_until(pipe, lambda read: read.count(b"\n") == 2)
    assert said == b"miniqueue: 3 lines were dropped: nobody read them\nfour\n"
    os.close(moving)
