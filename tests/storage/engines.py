"""How tests open each engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

import pytest

from miniqueue_py.broker.storage import Storage
from miniqueue_py.storage import Fsync, open_storage
from miniqueue_py.storage.keyvalue.libraries import LIBRARIES, is_installed

ENGINES = (
    "memory",
    *(f"{engine}-{fsync}" for engine in ("leveldb", "rocksdb") for fsync in get_args(Fsync)),
)


def skip_if_absent(scheme: str) -> None:
    """Skip a test of a library that this interpreter has not."""
    for library in LIBRARIES:
        if library.scheme == scheme and not is_installed(library):
            pytest.skip(f"{library.package} is not installed")


@asynccontextmanager
async def open_engine(kind: str, directory: Path) -> AsyncIterator[Storage]:
    """Open an engine and close it; `kind` is one of ENGINES."""
    engine, _, fsync = kind.partition("-")
    policies: dict[str, Fsync] = {"always": "always", "interval": "interval", "never": "never"}
    skip_if_absent(engine)
    url = "memory:" if engine == "memory" else f"{engine}:{directory}"
    storage = open_storage(url, fsync=policies.get(fsync, "never"), fsync_interval_seconds=0.001)
    try:
        yield storage
    finally:
        await storage.aclose()
