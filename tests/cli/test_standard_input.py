"""A FIFO is opened once, at once, and read when somebody writes."""

import os
import threading
from pathlib import Path

import anyio
import pytest

from miniqueue_py.cli.standard_input import Kind, Source

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    os.mkfifo(tmp_path / "fifo")
    return str(tmp_path / "fifo")


async def test_opening_does_not_wait_for_somebody_who_writes(fifo: str) -> None:
    def look_and_open() -> None:
        assert Kind.of(fifo) == (None, False)
        with Source.open(fifo):
            opened.set()

    opened = threading.Event()
    thread = threading.Thread(target=look_and_open, daemon=True)
    thread.start()

    assert opened.wait(PATIENCE)
    thread.join()


async def test_what_is_written_later_is_read_to_its_end(fifo: str) -> None:
    with Source.open(fifo) as source:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await source.read()
        assert scope.cancelled_caught

        writing = os.open(fifo, os.O_WRONLY)
        os.write(writing, b"one\n")
        os.close(writing)

        assert await source.read_all(100) == b"one\n"
