"""The storage verbs on keys that are kept in order."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from miniqueue_py.broker.delivery import Delivery, Outcome
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import BatchCount, Message, Publication, Stored
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import (
    Look,
    Moved,
    Sight,
    TopicStatistics,
    Totals,
    nobody_waits,
    nothing,
)
from miniqueue_py.broker.write_times import WriteTimes
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.ordered.agenda import Agendas
from miniqueue_py.storage.ordered.arrivals import Arrivals
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.damages import Damages
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.line import Line
from miniqueue_py.storage.ordered.looking import Looking
from miniqueue_py.storage.ordered.moves import Moves
from miniqueue_py.storage.ordered.past import Past
from miniqueue_py.storage.ordered.snapshots import Snapshots
from miniqueue_py.storage.ordered.timetable import Timetable
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.topics import Topics
from miniqueue_py.storage.ordered.writing.committer import READING_FAILED, Committer
from miniqueue_py.storage.ordered.writing.janitor import WORTH_BYTES, Janitor
from miniqueue_py.storage.reused_keys import check_keys


class OrderedStorage:
    """Messages in a directory, which it alone has open."""

    def __init__(  # noqa: PLR0913  what it stands on is handed in
        self,
        database: Database,
        sync: Callable[[], None],
        has_room: Callable[[int], bool],
        *,
        fsync: Fsync,
        fsync_interval_seconds: float,
        mended: Sequence[str] = (),
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        """`mended` is what was told of the files; `on_closed` lets go of them."""
        self._database = database
        self._committer = Committer(
            database,
            sync=sync,
            has_room=has_room,
            policy=fsync,
            interval_seconds=fsync_interval_seconds,
        )
        self._damages = Damages(self._topic_with_id)
        self._damages.told += mended
        self._committer.reads.watch(self._damages.note)
        self._catalogue = Catalogue.read(self._committer.reads)
        self._janitor = Janitor(database, self._committer)
        self._past = Past(self._committer, self._janitor)
        self._agendas = Agendas(self._committer)
        self._arrivals = Arrivals(
            self._committer,
            self._catalogue,
            self._past.keys,
            self._agendas,
            self._tell,
            hides=fsync == "always",
        )
        self._moves = Moves(self._committer, self._catalogue, self._janitor, self._agendas)
        self._line = Line(self._committer, self._moves, self._tell)
        self._looking = Looking(self._committer, self._line, self._agendas)
        self._timetable = Timetable(
            committer=self._committer,
            catalogue=self._catalogue,
            agendas=self._agendas,
            past=self._past,
            moves=self._moves,
            line=self._line,
            on_ready=self._tell,
        )
        self._topics = Topics(
            committer=self._committer,
            catalogue=self._catalogue,
            past=self._past,
            janitor=self._janitor,
            agendas=self._agendas,
            on_ready=self._tell,
        )
        self._snapshots = Snapshots(database, self._committer, self._catalogue)
        self._on_ready: Callable[[str], None] = _nobody
        self._is_closed = False
        self._on_closed = on_closed
        self._past.read(database, self._catalogue)

    def __repr__(self) -> str:
        return f"<OrderedStorage, {self._catalogue.messages} messages>"

    @property
    def failure(self) -> StorageUnavailable | None:
        try:
            self._committer.check()
        except StorageUnavailable as failure:
            return failure
        return None

    @property
    def damages(self) -> Sequence[str]:
        return self._damages.in_words()

    def append(
        self,
        topic: str,
        publications: Sequence[Publication],
        now: float,
        keep_keys_for: float,
        batch: BatchCount | None = None,
    ) -> "asyncio.Future[Sequence[Stored]]":
        committer = self._committer
        stored: list[Stored] = []
        size = 0
        has_keys = False
        for publication in publications:
            size += sum(map(len, publication.bodies))
            has_keys = has_keys or publication.key is not None
        state = self._catalogue.get(topic)
        try:
            if state is not None and (state.kept_keys or batch is not None):
                self._past.make_room(state)
            committer.check(size)
            if has_keys:
                digest_of = partial(self._past.keys.digest_of, state, now)
                check_keys(publications, digest_of, keep_keys_for)
            if state is None:
                state = self._catalogue.open(topic)
            for publication in publications:  # as a rule there is one
                stored.append(self._arrivals.write(state, publication, now, keep_keys_for))  # noqa: PERF401
            if batch is not None:
                self._past.batches.keep(state, batch, now + keep_keys_for)
        except READING_FAILED as error:
            committer.fail(error)
        return committer.durable(stored)

    async def batch_count(self, topic: str, key: str, now: float) -> int:
        count = 0
        state = self._catalogue.get(topic)
        if state is not None:
            with self._committer.noting_errors():
                count = self._past.batches.find(state, key, now)
        self._committer.check_failure()
        return await self._committer.durable(count) if count else 0

    def lease(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Delivery]:
        state = self._catalogue.get(topic)
        if state is None or state.is_unconfirmed:
            return []
        deliveries = self._line.hand_out(state, limit, max_bytes, int(now * 1000))
        if deliveries:
            self._committer.mark(state)  # what it counted is written when something else is
        return deliveries

    def settle(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Sequence[Delivery]:
        ready: dict[str, None] = {}
        late = self._moves.settle(deliveries, outcome, ready)
        if self._janitor.dead_bytes > WORTH_BYTES:
            self._compact_if_wanted()
        for name in ready:
            self._on_ready(name)
        return late

    def settled(self) -> "asyncio.Future[None]":
        return self._committer.durable(None)

    async def release_due(self, now: float, limit: int) -> Moved:
        moved = Moved()
        with self._committer.noting_errors():
            moved = self._timetable.release_due(now, limit)
        self._compact_if_wanted()
        return moved

    async def purge(self, topic: str) -> None:
        await self._topics.purge(topic)

    async def replace(self, topic: str, source: str) -> None:
        await self._topics.replace(topic, source)

    async def peek(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Message]:
        state = self._catalogue.get(topic)
        with self._committer.noting_errors():
            return self._line.peek(state, limit, max_bytes, int(now * 1000)) if state else []
        return []

    async def look(  # noqa: PLR0913, PLR0917  see Storage
        self,
        topic: str,
        state: State,
        limit: int,
        max_bytes: int,
        now: float,
        after: Any = None,
    ) -> Look:
        known = self._catalogue.get(topic)
        if known is not None:
            with self._committer.noting_errors():
                return self._looking.look(
                    known, state, limit, max_bytes, int(now * 1000), after or b""
                )
        return Look([])

    async def lease_seen(
        self, topic: str, sights: Sequence[Sight], now: float
    ) -> Sequence[Delivery]:
        state = self._catalogue.get(topic)
        if state is None or state.is_unconfirmed:
            return []
        # Of a topic of that name that is gone: positions begin anew with each.
        places = [sight.place for sight in sights if keys.topic_id_of(sight.place) == state.id]
        with self._committer.noting_errors():
            deliveries = self._line.lease(state, places, int(now * 1000))
            self._committer.mark(state)
            return deliveries
        return []

    def snapshot(self, topic: str, now: float) -> AbstractContextManager[Iterator[Message]]:
        return self._snapshots.open(topic, int(now * 1000))

    def policy(self, topic: str) -> TopicPolicy:
        state = self._catalogue.get(topic)
        return state.policy if state else DEFAULT_POLICY

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        await self._topics.set_policy(topic, policy)

    def topics(self) -> Sequence[str]:
        return self._catalogue.names()

    def knows(self, topic: str) -> bool:
        return self._catalogue.knows(topic)

    def statistics(self, topic: str) -> TopicStatistics:
        state = self._catalogue.get(topic)
        return state.statistics if state else TopicStatistics()

    def oldest_ms(self, topic: str) -> int | None:
        state = self._catalogue.get(topic)
        with self._committer.noting_errors():
            return self._line.oldest_ms(state) if state else None
        return None

    def totals(self) -> Totals:
        return Totals(*self._catalogue.totals(), self._moves.expired)

    def is_claiming(self, topic: str) -> bool:  # noqa: ARG002  nothing is far away
        return False

    async def refresh(self, topic: str | None = None) -> None:
        """Do nothing: what is told is always so."""

    def write_times(self) -> WriteTimes:
        return self._committer.write_times

    def watch(
        self,
        on_ready: Callable[[str], None],
        demand: Callable[[str], int] = nobody_waits,  # noqa: ARG002  see Storage
        on_lost: Callable[[], None] = nothing,  # noqa: ARG002
    ) -> None:
        """Begin to work; what an earlier process left behind is swept and compacted."""
        self._on_ready = on_ready
        self._janitor.compact_leftovers([state.dead_range() for state in self._catalogue])
        self._topics.remove_leftovers()

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._janitor.aclose()
        try:
            await self._committer.aclose()
        finally:
            self._database.close()
            self._on_closed()

    def _compact_if_wanted(self) -> None:
        live = self._catalogue.bytes + self._past.size
        if self._janitor.is_wanted(live) and not self._is_closed:
            self._janitor.compact(self._agendas.dead_ranges, then=self._compact_if_wanted)

    def _topic_with_id(self, topic_id: int) -> TopicState | None:
        return self._catalogue.with_id(topic_id)

    def _tell(self, topic: str) -> None:
        self._on_ready(topic)


def _nobody(_topic: str) -> None:
    """Stand in for the broker until it watches."""
