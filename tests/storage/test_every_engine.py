"""The same promises, on every engine."""

from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import TO_BACK, TO_FRONT, Delay
from miniqueue_py.testing.check_storage import CHECKS, SHARED_CHECKS, Check, check_storage
from miniqueue_py.testing.storing import ANY_NUMBER, later, lease, publish
from tests.storage.engines import EMBEDDED, ENGINES, SHARED, open_engine

pytestmark = pytest.mark.anyio

PROMISES = [
    *((kind, check) for kind in EMBEDDED for check in CHECKS),
    *((kind, check) for kind in SHARED for check in SHARED_CHECKS),
]


@pytest.mark.parametrize(
    ("kind", "check"), PROMISES, ids=lambda value: getattr(value, "__name__", value)
)
async def test_engine_keeps_promise(kind: str, check: Check, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await check(storage)


@pytest.mark.parametrize("kind", ENGINES)
async def test_engine_keeps_all_promises_side_by_side(kind: str, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await check_storage(storage, SHARED_CHECKS if kind in SHARED else CHECKS)


@pytest.mark.parametrize("kind", ENGINES)
async def test_closing_twice_is_closing_once(kind: str, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await storage.aclose()


@pytest.mark.parametrize("kind", EMBEDDED)
async def test_engine_of_this_machine_tells_of_each_change_once(kind: str, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        now = await later(storage)
        heard: list[str] = []
        storage.watch(heard.append)

        await publish(storage, "heard", b"1")
        for outcome in (TO_FRONT, TO_BACK, Delay(now + 1)):
            storage.settle(lease(storage, "heard", 1), outcome)
        await storage.release_due(now + 1, ANY_NUMBER)

        await storage.replace("replaced", "heard")

        assert heard == [*["heard"] * 4, "replaced"]
