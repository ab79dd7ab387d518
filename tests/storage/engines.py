"""How tests open each engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from miniqueue_py.broker.storage import Storage
from miniqueue_py.storage import Fsync, open_storage
from miniqueue_py.storage.keyvalue.libraries import LIBRARIES, is_installed
from miniqueue_py.storage.postgres import opening as postgres
from miniqueue_py.storage.shared.engine import SharedStorage
from tests.storage.servers.postgres import server

EMBEDDED = (
    "memory",
    *(f"{engine}-{fsync}" for engine in ("leveldb", "rocksdb") for fsync in get_args(Fsync)),
)
SHARED = ("postgres",)
ENGINES = (*EMBEDDED, *SHARED)

LEASE_SECONDS = 10.0


def skip_if_absent(scheme: str) -> None:
    """Skip a test of a library that this interpreter has not."""
    for library in LIBRARIES:
        if library.scheme == scheme and not is_installed(library):
            pytest.skip(f"{library.package} is not installed")


@asynccontextmanager
async def open_engine(kind: str, directory: Path) -> AsyncIterator[Storage]:
    """Open an engine and close it; `kind` is one of ENGINES."""
    storage = await _open(kind, directory)
    try:
        yield storage
    finally:
        await storage.aclose()


async def new_database() -> str:
    """Return the URL of a store that nobody uses yet."""
    return await asyncio.to_thread(lambda: server().new_database())


async def open_shared(url: str, lease_seconds: float = LEASE_SECONDS) -> SharedStorage:
    """Open a store on the test's own time."""
    return await postgres.open(url, lease_seconds=lease_seconds, follows_store=False)


async def _open(kind: str, directory: Path) -> Storage:
    if kind in SHARED:
        return await open_shared(await new_database())
    engine, _, fsync = kind.partition("-")
    policies: dict[str, Fsync] = {"always": "always", "interval": "interval", "never": "never"}
    skip_if_absent(engine)
    url = "memory:" if engine == "memory" else f"{engine}:{directory}"
    return open_storage(url, fsync=policies.get(fsync, "never"), fsync_interval_seconds=0.001)
