"""What a power cut can leave is rebuilt: all that was confirmed is there, in order.

A copy is taken when an fsync was about to begin. What was written since the
one before may then be cut off, torn, zeros, or partly there, and a file that
is new may have no name. Each state has a seed; MINIQUEUE_STATES=200 tries more.
"""

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from miniqueue_py.cli.repair import repair
from miniqueue_py.errors import DatabaseRefused, StorageUnavailable
from miniqueue_py.storage.keyvalue.libraries import choose_library
from miniqueue_py.storage.keyvalue.log_sync import LogSync
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout.version import check_version
from miniqueue_py.testing.storing import bodies, lease, publish
from tests.storage.faulty import INTERVAL_SECONDS, always_room, reopen
from tests.storage.raw import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

STATES = range(int(os.environ.get("MINIQUEUE_STATES", "25")))
PAGE = 4096
SIZES = (20, 20, 500, 5_000, 60_000, 600_000)


class CutSync:
    """Syncs a number of times, and then keeps what the disk would have."""

    def __init__(self, path: Path, copy: Path, at: int) -> None:
        self.synced: dict[str, int] = {}
        """How much of each log is on the disk for certain."""
        self._path = path
        self._copy = copy
        self._left = at
        self._sync = LogSync(path)

    def __call__(self) -> None:
        sizes: dict[str, int] = {}
        for log in self._path.glob("*.log"):
            with suppress(FileNotFoundError):  # it became a table since
                sizes[log.name] = log.stat().st_size
        self._left -= 1
        if self._left < 0:
            self._keep()
            raise OSError(5, "the power is cut")
        self._sync()
        self.synced |= sizes

    def _keep(self) -> None:
        """Copy what stands still: LevelDB may be writing a table meanwhile."""
        for _ in range(1000):
            shutil.rmtree(self._copy, ignore_errors=True)
            before = self._standing()
            try:
                shutil.copytree(self._path, self._copy)
            except shutil.Error:
                continue
            if before == self._standing():
                return
        raise AssertionError("LevelDB never rests")

    def _standing(self) -> list[tuple[str, int]]:
        standing: list[tuple[str, int]] = []
        for at in sorted(self._path.iterdir()):
            with suppress(FileNotFoundError):
                standing.append((at.name, at.stat().st_size))
        return standing


async def live_until_the_cut(
    path: Path, copy: Path, random: Random
) -> tuple[dict[str, int], list[bytes], list[bytes]]:
    """Return what of which log is synced, all that was sent, and how much was confirmed."""
    path.mkdir()
    database = open_database(path)
    check_version(database, path)
    sync = CutSync(path, copy, random.randrange(1, 60))
    storage = OrderedStorage(
        database, sync, always_room, fsync="always", fsync_interval_seconds=INTERVAL_SECONDS
    )
    sent: list[bytes] = []
    confirmed: list[bytes] = []
    while storage.failure is None:
        group = [
            b"%d " % (len(sent) + number) + random.randbytes(random.choice(SIZES))
            for number in range(random.randrange(1, 5))
        ]
        sent += group
        publishing = [publish(storage, "a", body) for body in group]
        for body, done in zip(
            group, await asyncio.gather(*publishing, return_exceptions=True), strict=True
        ):
            if not isinstance(done, StorageUnavailable):
                confirmed.append(body)
    await storage.aclose()
    return sync.synced, sent, confirmed


def cut(copy: Path, synced: dict[str, int], random: Random) -> str:
    """Leave of what was not synced what a disk may; say how."""
    named = choose_library(copy, None).read_manifest(copy).first_log
    how = random.choice(["cut off", "zeros", "torn", "pages", "no name"])
    for log in copy.glob("*.log"):
        size, certain = log.stat().st_size, synced.get(log.name, 0)
        if how == "no name" and certain == 0 and int(log.stem) != named:
            log.unlink()
            continue
        if size == certain:
            continue
        data = bytearray(log.read_bytes())
        until = random.randrange(certain, size)
        if how == "torn":
            until = max(certain, until // PAGE * PAGE)
        if how in {"cut off", "no name"}:
            del data[until:]
        elif how == "pages":
            for page in range(-(-certain // PAGE) * PAGE, size, PAGE):
                if random.random() < 0.5:
                    data[page : page + PAGE] = bytes(len(data[page : page + PAGE]))
        else:
            data[until:] = bytes(size - until + random.choice([0, PAGE]))
        log.write_bytes(data)
    return how


@pytest.mark.parametrize("seed", STATES)
async def test_power_cut_takes_nothing_that_was_confirmed(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    random = Random(seed)
    copy = tmp_path / "copy"
    synced, sent, confirmed = await live_until_the_cut(tmp_path / "db", copy, random)
    how = cut(copy, synced, random)

    try:
        storage = reopen(copy)
    except DatabaseRefused:
        assert how == "pages", "only where something good follows is a person asked"
        assert repair([str(copy), "--yes"]) == 0, capsys.readouterr()
        storage = reopen(copy)

    taken = bodies(lease(storage, "a", 10_000))
    assert taken[: len(confirmed)] == confirmed, (seed, how)
    assert set(taken) <= set(sent), (seed, how)
    await publish(storage, "a", b"more")
    await storage.aclose()
