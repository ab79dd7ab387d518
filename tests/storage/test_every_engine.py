"""The same promises, on every engine."""

from pathlib import Path

import pytest

from miniqueue_py.testing.check_storage import CHECKS, Check, check_storage
from tests.storage.engines import ENGINES, open_engine

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ENGINES)
async def test_engine_keeps_promise(kind: str, check: Check, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await check(storage)


@pytest.mark.parametrize("kind", ENGINES)
async def test_engine_keeps_all_promises_side_by_side(kind: str, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await check_storage(storage)


@pytest.mark.parametrize("kind", ENGINES)
async def test_closing_twice_is_closing_once(kind: str, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await storage.aclose()
