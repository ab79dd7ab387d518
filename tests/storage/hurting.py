"""What a disk does to the files of a database, made by hand."""

import asyncio
from pathlib import Path
from random import Random

from miniqueue_py.testing.storing import publish
from tests.storage.faulty import reopen
from tests.storage.raw import raw

SECTOR = 512


async def fill(path: Path, topic: str, messages: int, *, size: int = 100) -> list[bytes]:
    """Publish messages that are all different; return them."""
    sent = [b"%08d" % number + b"." * (size - 8) for number in range(messages)]
    storage = reopen(path)
    await publish(storage, topic, *sent)
    await storage.aclose()
    return sent


def put_in_tables(path: Path) -> None:
    """Have all that is in logs in tables, and most in one."""
    with raw(path) as database:
        database.compact(None, None)


def largest_table(path: Path) -> Path:
    return max((*path.glob("*.ldb"), *path.glob("*.sst")), key=lambda each: each.stat().st_size)


def flip(file: Path, at: int) -> None:
    """Change one bit of one byte."""
    with file.open("r+b") as opened:
        opened.seek(at)
        [byte] = opened.read(1)
        opened.seek(at)
        opened.write(bytes([byte ^ 0x10]))


def zero_a_sector(file: Path, at: int) -> None:
    """Read as zeros what a disk does not find any more."""
    start = at // SECTOR * SECTOR
    with file.open("r+b") as opened:
        opened.seek(start)
        opened.write(bytes(min(SECTOR, file.stat().st_size - start)))


def somewhere(file: Path, random: Random) -> int:
    return random.randrange(file.stat().st_size)


async def some_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
