"""A worker at work beside a test, and its log."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest

from miniqueue_py.client import Worker
from tests.client.waiting import wait_until

LOGGER = "miniqueue.worker"


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncIterator[None]:
    """Serve beside the block; drain behind it, and be done in good time."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.serve)
        yield
        worker.stop()
        await wait_until(lambda: "idle" in repr(worker), f"{worker} drains")


def logged(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> Iterator[str]:
    """Say what the worker wrote to the log, from this level on."""
    return (
        record.getMessage()
        for record in caplog.records
        if record.name == LOGGER and record.levelno >= level
    )
