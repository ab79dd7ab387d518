"""The schema: numbered steps, made by `miniqueue migrate`, and never by a broker."""

from importlib.resources import files
from typing import Any

SCHEMA = "miniqueue"


def steps() -> list[str]:
    """Return the steps in their order; the first is number 1."""
    folder = files("miniqueue_py.storage.postgres") / "migrations"
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


async def version_of(connection: Any) -> int:
    """Return how many steps were made; 0 if none."""
    if await connection.fetchval("SELECT to_regclass('miniqueue.version')") is None:
        return 0
    return int(await connection.fetchval("SELECT number FROM miniqueue.version"))


async def make_steps(connection: Any) -> tuple[int, int]:
    """Make the steps that are missing, all or none; return the version before and after."""
    async with connection.transaction():
        # One at a time, whoever else migrates.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('miniqueue migrate'))")
        before = await version_of(connection)
        wanted = steps()
        if before == 0:
            await connection.execute("CREATE SCHEMA IF NOT EXISTS miniqueue")
            await connection.execute("CREATE TABLE miniqueue.version (number int NOT NULL)")
            await connection.execute("INSERT INTO miniqueue.version VALUES (0)")
        await connection.execute("SET LOCAL search_path = miniqueue, pg_temp")
        for step in wanted[before:]:
            await connection.execute(step)
        after = max(before, len(wanted))
        await connection.execute("UPDATE miniqueue.version SET number = $1", after)
    return before, after
