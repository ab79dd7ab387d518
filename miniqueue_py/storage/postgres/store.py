"""The store on PostgreSQL: each verb calls a function of the schema."""

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import asyncpg

from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.policy import TopicPolicy, decode_policy, encode_policy
from miniqueue_py.broker.storage import Moved, TopicStatistics
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.bounds import EXPIRED_AT_ONCE
from miniqueue_py.storage.postgres import looks
from miniqueue_py.storage.postgres.connection import DONE, Connection
from miniqueue_py.storage.postgres.rows import message_of, taken_of
from miniqueue_py.storage.postgres.writing import carry_out
from miniqueue_py.storage.shared.store import (
    CLAIMER,
    LINES,
    WRITERS,
    Figures,
    Lost,
    Pulse,
    SeenMessage,
    Taken,
    Turn,
)
from miniqueue_py.storage.shared.writes import Answer, Place, Write

SWEPT_AT_ONCE = 5000
_SLOTS_A_BROKER = 4
_BROKERS_APART = 64
_TIME_SLOT = -2


class PostgresStore:
    """A database with miniqueue's schema."""

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        described = {"application_name": "miniqueue", "search_path": "miniqueue", **settings}
        self._writers = [Connection(url, described) for _ in range(WRITERS)]
        self._claimer = Connection(url, described)
        self._pages = Connection(url, described)
        self._time = Connection(url, described)
        self._listener = Connection(url, described, self._listen)
        self._on_ready: Callable[[str], None] = _ignore
        self._on_gone: Callable[[int], None] = _ignore

    def __repr__(self) -> str:
        return f"<PostgresStore, {self._pages!r}>"

    async def register(self, lease_seconds: float) -> int:
        async with self._time.use() as connection:
            return int(
                await connection.fetchval(
                    "SELECT register($1, $2, $3)",
                    socket.gethostname(),
                    LINES,
                    timedelta(seconds=lease_seconds),
                )
            )

    async def renew(self, broker: int, lease_seconds: float) -> Pulse:
        async with self._time.use() as connection:
            row = await connection.fetchrow(
                "UPDATE broker SET expires_at = now() + $2 WHERE id = $1 RETURNING "
                "extract(epoch FROM clock_timestamp())::float8, (SELECT policies FROM state)",
                broker,
                timedelta(seconds=lease_seconds),
            )
        if row is None:
            raise Lost
        async with self._listener.use():
            pass  # it is open again, if it was not
        return Pulse(*row)

    async def leave(self, broker: int) -> None:
        async with self._time.use() as connection:
            await connection.execute("SELECT reap($1)", broker)

    async def write(self, turn: Turn, writes: Sequence[Write]) -> Sequence[Answer]:
        slot = _slot(turn)
        async with self._writers[turn.line].use() as connection:
            try:
                if len(writes) == 1:
                    return [await carry_out(connection, turn, turn, slot, writes[0])]
                answers: list[Answer] = []
                async with connection.transaction():
                    fence: Turn | None = turn
                    for each in writes:
                        answers.append(await carry_out(connection, turn, fence, slot, each))
                        fence = None
            except asyncpg.PostgresError as error:
                if error.sqlstate == DONE:
                    return []  # by the attempt before, whose answer was lost
                raise
            return answers

    async def take(
        self, turn: Turn, topic: str, limit: int, max_bytes: int, now: float
    ) -> Taken | None:
        async with self._claimer.use() as connection:
            rows = await connection.fetch(
                "SELECT * FROM take($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                turn.broker,
                CLAIMER,
                turn.number,
                _slot(turn),
                topic,
                limit,
                max_bytes,
                int(now * 1000),
                EXPIRED_AT_ONCE,
            )
        return taken_of(rows)

    async def take_seen(
        self, turn: Turn, topic: int, places: Sequence[Place], now: float
    ) -> Taken | None:
        async with self._claimer.use() as connection:
            rows = await connection.fetch(
                "SELECT * FROM take_seen($1, $2, $3, $4, $5, $6, $7, $8)",
                turn.broker,
                CLAIMER,
                turn.number,
                _slot(turn),
                topic,
                [priority for priority, _ in places],
                [position for _, position in places],
                int(now * 1000),
            )
        return taken_of(rows)

    async def release(self, now: float, limit: int) -> Moved:
        async with self._time.use() as connection:
            row = await connection.fetchrow(
                "SELECT * FROM release($1, $2, $3)", int(now * 1000), limit, _TIME_SLOT
            )
        return Moved(*row)

    async def tidy(self) -> int:
        async with self._time.use() as connection:
            await connection.execute("SELECT reap(NULL)")
            return int(await connection.fetchval("SELECT sweep($1)", SWEPT_AT_ONCE))

    async def purge(self, topic: str) -> int | None:
        async with self._pages.use() as connection:
            number: int | None = await connection.fetchval("SELECT purge($1)", topic)
        return number

    async def replace(self, topic: str, source: str) -> tuple[int | None, int]:
        async with self._pages.use() as connection:
            row = await connection.fetchrow("SELECT * FROM replace_topic($1, $2)", topic, source)
        return row[0], row[1]

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        async with self._pages.use() as connection:
            text = encode_policy(policy).decode()
            await connection.execute("SELECT set_policy($1, $2)", topic, text)

    async def policies(self) -> Mapping[str, TopicPolicy]:
        async with self._pages.use() as connection:
            rows = await connection.fetch("SELECT name, policy FROM topic WHERE policy IS NOT NULL")
        return {name: decode_policy(policy.encode()) for name, policy in rows}

    async def figures(self, topics: Sequence[str] | None) -> Mapping[str, Figures]:
        async with self._pages.use() as connection:
            rows = await connection.fetch(looks.FIGURES, topics)
        return {row[0]: _figures_of(row) for row in rows}

    async def look(
        self, topic: str, state: State, limit: int, after: Place | None
    ) -> Sequence[SeenMessage]:
        query, nowhere = looks.LOOKS[state]
        async with self._pages.use() as connection:
            rows = await connection.fetch(query, topic, limit, *(after or nowhere))
        return [SeenMessage(message_of(row[1:]), row[1], (row[2], row[3]), row[0]) for row in rows]

    def watch(self, on_ready: Callable[[str], None], on_gone: Callable[[int], None]) -> None:
        self._on_ready, self._on_gone = on_ready, on_gone

    async def aclose(self) -> None:
        for each in (*self._writers, self._claimer, self._pages, self._time, self._listener):
            with suppress(StorageUnavailable):
                await each.aclose()

    async def _listen(self, connection: Any) -> None:
        await connection.add_listener("miniqueue", self._hear)

    def _hear(self, _connection: Any, _pid: int, _channel: str, said: str) -> None:
        kind, what = said[:1], said[1:]
        if kind == "r":
            self._on_ready(what)
        elif kind == "g":
            self._on_gone(int(what))


def _slot(turn: Turn) -> int:
    """Return where this line counts: two that write at the same time count apart."""
    return turn.broker % _BROKERS_APART * _SLOTS_A_BROKER + turn.line


def _figures_of(row: Sequence[Any]) -> Figures:
    _, number, oldest, messages, size, in_flight, delayed, *counts = row
    ready = messages - in_flight - delayed
    return Figures(number, TopicStatistics(ready, in_flight, delayed, 0, size, *counts), oldest)


def _ignore(_what: Any) -> None:
    """Stand in for who watches."""
