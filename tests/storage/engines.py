"""How tests open each engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from miniqueue_py.broker.storage import Storage
from miniqueue_py.storage import Fsync, open_storage

ENGINES = ("memory", "leveldb-always", "leveldb-interval", "leveldb-never")


@asynccontextmanager
async def open_engine(kind: str, directory: Path) -> AsyncIterator[Storage]:
    """Open an engine and close it; `kind` is one of ENGINES."""
    engine, _, fsync = kind.partition("-")
    policies: dict[str, Fsync] = {"always": "always", "interval": "interval", "never": "never"}
    url = "memory:" if engine == "memory" else str(directory)
    storage = open_storage(url, fsync=policies.get(fsync, "never"), fsync_interval_seconds=0.001)
    try:
        yield storage
    finally:
        await storage.aclose()
