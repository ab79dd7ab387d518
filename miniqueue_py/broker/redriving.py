"""Sending dead letters back: which of them, and a part of it in each turn of the loop.

A topic is looked through once, from its front to where its back was at the
beginning. So a letter that dies again meanwhile is not sent in circles, and
nobody is kept waiting by a look: only what goes back is held, for a moment.
"""

import asyncio
from math import inf
from typing import NamedTuple

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.delivery import Redrive
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import Message, MessageId
from miniqueue_py.broker.storage import Storage

LOOKED_AT_A_TURN = 500
_BYTES_A_TURN = 1 << 20


class Letters(NamedTuple):
    """Which dead letters are meant: those that are all of this."""

    ids: frozenset[MessageId] | None = None
    """None for all."""
    reason: str | None = None
    until_ms: float = inf
    """When they left their topic, at the latest."""

    def has(self, message: Message, *, until_ms: int) -> bool:
        """Tell if it is one of them, and had died by then."""
        origin = message.extras.origin
        return (
            origin is not None
            and origin.at_ms <= min(until_ms, self.until_ms)
            and (self.ids is None or message.id in self.ids)
            and (self.reason is None or origin.reason == self.reason)
        )


ALL_LETTERS = Letters()


class Redriving:
    """One walk through a topic that holds dead letters."""

    def __init__(
        self, storage: Storage, clock: Clock, topic: str, wanted: Letters, outcome: Redrive
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._topic = topic
        self._wanted = wanted
        self._outcome = outcome

    async def run(self, limit: int | None) -> int:
        """Send back those that are wanted, at most `limit` of them; say how many."""
        ids = self._wanted.ids
        room = len(ids) if ids is not None and limit is None else limit
        await self._storage.refresh(self._topic)
        unseen = self._storage.statistics(self._topic).ready
        began_ms = int(self._clock.now() * 1000)
        redriven = 0
        after = None
        while unseen > 0 and (room is None or redriven < room):
            now = self._clock.now()
            look = await self._storage.look(
                self._topic,
                State.READY,
                min(unseen, LOOKED_AT_A_TURN),
                _BYTES_A_TURN,
                now,
                after,
            )
            chosen = [
                sight for sight in look.sights if self._wanted.has(sight.message, until_ms=began_ms)
            ]
            if room is not None:
                del chosen[room - redriven :]
            deliveries = await self._storage.lease_seen(self._topic, chosen, now)
            self._storage.settle(deliveries, self._outcome)
            redriven += len(deliveries)
            unseen -= len(look.sights)
            after = look.next
            if after is None:
                break
            await asyncio.sleep(0)
        return redriven
