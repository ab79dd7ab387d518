"""One connection to PostgreSQL, which is opened again when it breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.shared.store import Lost

CALL_SECONDS = 10.0
"""A call that takes longer is given up."""

CONNECT_SECONDS = 5.0

_LOST, DONE = "MQ001", "MQ002"

_GOES_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that broke while an answer was awaited
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.CannotConnectNowError,
)
"""What an operator mends, or time: then it is tried again."""


def where(url: str) -> str:
    """Say which database a URL means, without its password."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    port = f":{parts.port}" if parts.port else ""
    return f"postgresql://{host}{port}{parts.path}"


class Connection:
    """Opens when it is first used; one call at a time."""

    def __init__(
        self,
        url: str,
        settings: dict[str, str],
        on_open: Callable[[Any], Any] | None = None,
    ) -> None:
        self._url = url
        self._settings = settings
        self._on_open = on_open
        self._connection: Any = None
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Connection to {where(self._url)}>"

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Any]:
        """Have the connection for a while. Raises StorageUnavailable, and Lost."""
        async with self._turn:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._open()
                yield self._connection
            except asyncpg.PostgresError as error:
                if error.sqlstate == _LOST:
                    raise Lost from error
                if isinstance(error, _GOES_AWAY):
                    self._drop()
                raise StorageUnavailable(cause_of(error)) from error
            except _GOES_AWAY as error:
                self._drop()
                raise StorageUnavailable(cause_of(error)) from error
            except asyncio.CancelledError:
                self._drop()  # nobody knows what of it was done
                raise

    async def aclose(self) -> None:
        """Close it. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=1.0)
            except _GOES_AWAY:
                connection.terminate()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _open(self) -> Any:
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            command_timeout=CALL_SECONDS,
            server_settings=self._settings,
        )
        if self._on_open is not None:
            await self._on_open(connection)
        return connection


def cause_of(error: BaseException) -> str:
    """Say in a few words why the database cannot be asked."""
    if isinstance(error, TimeoutError):
        return "the database does not answer"
    text = str(error).splitlines()
    return f"the database: {text[0] if text else type(error).__name__}"
