"""What is out is known to the byte, however writing ends."""

import os
import termios
from collections.abc import Iterator
from typing import NamedTuple

import anyio
import anyio.lowlevel
import pytest

from miniqueue_py.cli.standard_output import StandardOutput

pytestmark = pytest.mark.anyio

LARGE = b"x" * 300_000
"""More than a pipe holds."""


class Pipe(NamedTuple):
    reading: int
    writing: int


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(*os.pipe())
    yield pipe
    os.close(pipe.writing)
    os.close(pipe.reading)


async def test_a_full_pipe_is_waited_for_while_others_go_on(pipe: Pipe) -> None:
    pieces = [b"one", LARGE, b"", b"three"]
    read = bytearray()

    async def reader() -> None:
        while len(read) < sum(map(len, pieces)):
            await anyio.wait_readable(pipe.reading)
            read.extend(os.read(pipe.reading, 10_000))

    with StandardOutput.open(pipe.writing) as output:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await output.write(pieces)

    assert output.whole == 4
    assert read == b"".join(pieces)
    assert os.get_blocking(pipe.writing), "the pipe belongs to others, too"


async def test_a_piece_that_was_cut_is_finished_and_no_other_is_begun(pipe: Pipe) -> None:
    read = bytearray()

    async def reader(scope: anyio.CancelScope) -> None:
        await anyio.wait_readable(pipe.reading)
        await anyio.lowlevel.checkpoint()  # the writer has found the pipe full
        scope.cancel()
        with anyio.move_on_after(0.2):
            while True:
                await anyio.wait_readable(pipe.reading)
                read.extend(os.read(pipe.reading, 100_000))

    with StandardOutput.open(pipe.writing) as output:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(reader, scope)
                await output.write([b"one", LARGE, b"three"])

    assert output.whole == 2
    assert read == b"one" + LARGE


async def test_what_was_cut_and_is_not_read_is_not_out(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miniqueue_py.cli.standard_output.FINISH_SECONDS", 0.05)

    with StandardOutput.open(pipe.writing) as output, anyio.move_on_after(0.05):
        await output.write([b"one", b"", LARGE, b"three"])

    assert output.whole == 2


async def test_what_nobody_reads_any_more_is_not_out() -> None:
    reading, writing = os.pipe()
    with StandardOutput.open(writing) as output:
        os.close(reading)

        with pytest.raises(BrokenPipeError):
            await output.write([b"one"])

    assert output.whole == 0
    os.close(writing)


async def test_a_disk_that_is_full_is_told() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with StandardOutput.open(full) as output, pytest.raises(OSError, match="No space left"):
        await output.write([b"one"])

    assert output.whole == 0
    os.close(full)


async def test_what_is_in_a_pipe_that_nobody_reads_any_more_is_not_out() -> None:
    reading, writing = os.pipe()
    with StandardOutput.open(writing) as output:
        async with anyio.create_task_group() as tasks:

            async def reader() -> None:
                await anyio.wait_readable(reading)
                assert os.read(reading, 6) == b"one\ntw"
                os.close(reading)

            tasks.start_soon(reader)
            with pytest.raises(BrokenPipeError):
                await output.write([b"one\n", b"two\n", b"three\n"])

    assert output.whole == 1
    os.close(writing)


async def test_few_are_in_a_pipe_at_first_and_more_when_they_were_taken(pipe: Pipe) -> None:
    read: list[int] = []

    async def reader() -> None:
        while sum(read) < 500:
            await anyio.wait_readable(pipe.reading)
            read.append(len(os.read(pipe.reading, 10_000)))

    with StandardOutput.open(pipe.writing) as output:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await output.write([b"x"] * 500)

    assert read == [10, 20, 40, 80, 100, 100, 100, 50]
    assert output.whole == 500


async def test_a_reader_that_takes_nothing_at_the_end_may_do_so_later(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miniqueue_py.cli.standard_output.END_SECONDS", 0)

    async def is_end() -> bool:
        return True

    with StandardOutput.open(pipe.writing) as output, anyio.fail_after(5):
        await output.write([b"one"], is_end)

    assert output.whole == 1


async def test_a_terminal_that_is_stopped_does_not_hold_up_the_others() -> None:
    screen, terminal = os.openpty()
    termios.tcflow(terminal, termios.TCOOFF)

    with StandardOutput.open(terminal) as output, anyio.move_on_after(0.05) as waiting:
        await output.write([b"one"])

    assert waiting.cancelled_caught
    assert output.whole == 0
    assert os.get_blocking(terminal), "the terminal belongs to its shell, too"
    os.close(terminal)
    os.close(screen)
