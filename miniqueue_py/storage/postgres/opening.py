"""Opening a database as an engine: what is wrong with it is told in one line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from miniqueue_py.errors import DatabaseRefused, StorageUnavailable
from miniqueue_py.storage.postgres.connection import CONNECT_SECONDS, cause_of, where
from miniqueue_py.storage.postgres.migrating import make_steps, steps, version_of
from miniqueue_py.storage.postgres.store import PostgresStore
from miniqueue_py.storage.shared.engine import SharedStorage
from miniqueue_py.storage.shared.presence import Presence

OLDEST_SERVER = 130000

_REFUSALS = (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)

_CONFIRM = {"local": "local", "remote": "on", "applied": "remote_apply"}
"""What -confirm says, as PostgreSQL's synchronous_commit."""


async def open(  # noqa: A001  as every store is opened
    url: str, *, lease_seconds: float, confirm: str = "strongest", follows_store: bool = True
) -> SharedStorage:
    """Open the database that the URL names; it must be closed. Raises DatabaseRefused."""
    async with _connect(url) as connection:
        version, wanted = await version_of(connection), len(steps())
        if version != wanted:
            raise DatabaseRefused(_refusal(url, version, wanted))
    settings = {
        # One that is stopped in the middle of a transaction would hold up the others.
        "idle_in_transaction_session_timeout": f"{int(lease_seconds * 500)}",
        "lock_timeout": f"{int(lease_seconds * 1000)}",
        **({"synchronous_commit": _CONFIRM[confirm]} if confirm in _CONFIRM else {}),
    }
    store = PostgresStore(url, settings)
    presence = Presence(store, lease_seconds, follows_store=follows_store)
    try:
        return await SharedStorage.open(store, presence)
    except StorageUnavailable as error:
        await store.aclose()
        raise DatabaseRefused(f"{where(url)}: {error.cause}") from error


async def migrate(url: str) -> tuple[int, int]:
    """Bring the schema up to date; return its version before and after. Raises DatabaseRefused."""
    async with _connect(url) as connection:
        try:
            before, after = await make_steps(connection)
        except asyncpg.PostgresError as error:
            raise DatabaseRefused(f"{where(url)}: {cause_of(error)}") from error
    if before > len(steps()):
        raise DatabaseRefused(_refusal(url, before, len(steps())))
    return before, after


async def promise_of(url: str, confirm: str) -> str:
    """Say what a power cut and a failover can lose, as the database is set up."""
    async with _connect(url) as connection:
        setting = _CONFIRM.get(confirm) or await connection.fetchval("SHOW synchronous_commit")
        standbys = await connection.fetchval("SHOW synchronous_standby_names")
    if setting == "off":
        return "synchronous_commit is off: a power cut loses what was confirmed last"
    if standbys and setting != "local":
        return "confirmed when a standby has it: neither a power cut nor a failover loses any"
    return "confirmed when it is on the primary's disk: a failover may lose what came last"


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[Any]:
    """Have a connection for a moment. Raises DatabaseRefused."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise DatabaseRefused(
            f"-db: the host or port of {url.rpartition('@')[2]} makes no sense"
        ) from error
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except asyncpg.InvalidPasswordError as error:
        raise DatabaseRefused(f"{where(url)}: the password is wrong for its user") from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise DatabaseRefused(f"{where(url)}: the user may not come in: {error}") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise DatabaseRefused(f"{where(url)}: there is no database of that name") from error
    except (
        OSError,
        TimeoutError,
        ValueError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        raise DatabaseRefused(f"{where(url)}: {cause_of(error)}") from error
    try:
        if connection.get_server_version().major * 10000 < OLDEST_SERVER:
            raise DatabaseRefused(f"{where(url)}: PostgreSQL 13 is the oldest that will do")
        yield connection
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


def _refusal(url: str, version: int, wanted: int) -> str:
    if version > wanted:
        return f"{where(url)}: its schema is version {version}, and this miniqueue knows {wanted}"
    return (
        f"{where(url)}: its schema is version {version} and has to be {wanted}; "
        f"run miniqueue migrate {where(url)}"
    )
