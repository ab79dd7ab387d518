"""Who is waiting on a topic, and who is served next.

A topic holds no messages: those are the storage engine's. It holds the
subscribers that want some, in the order they began to.

The rule of this file is *enrol first, deal second*: a subscriber joins the
line, then ready messages are dealt along it. A message that becomes ready is
leased in the name of whoever is first, at once. So nobody is woken only to
find nothing, nobody jumps the line, and no wake-up can be lost with the one
who was to use it: what is dealt to a subscriber that leaves goes back to the
front and is dealt again.

Who can take many gets its share of what there is and goes to the end of the
line, so a consumer with a large credit and one that takes messages one by one
are both served, and none waits while another is given all that came.

When very many were dealt in one go, the others in line wait for the next turn
of the loop, and whoever joins them meanwhile waits with them.
"""

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miniqueue_py.broker.clock import Clock
    from miniqueue_py.broker.storage import Storage
    from miniqueue_py.broker.subscriber import Subscriber

SHARE = 50
"""Most messages dealt in one go to a subscriber with others behind it."""

SHARE_BYTES = 1 << 18
"""No further message is dealt in the same go to one that got so many bytes."""

DEALT_A_TURN = 2000
"""After so many, the rest is dealt in the next turn of the loop: many consumers with large
credits can take a million at once."""


class Topic:
    """The line of subscribers that wait for a topic's next messages."""

    def __init__(self, name: str, storage: "Storage", clock: "Clock") -> None:
        self.name = name
        self.subscribers: set[Subscriber] = set()
        self.is_closed = False
        self._storage = storage
        self.clock = clock
        self._line: OrderedDict[Subscriber, None] = OrderedDict()
        """Not a dict: that steps over all who stood in front before it finds its first."""
        self._is_dealing = False
        self.goes_on_later = False
        """It has dealt enough in this turn, and goes on in the next."""

    def __repr__(self) -> str:
        return f"<Topic {self.name!r}, {len(self._line)} of {len(self.subscribers)} waiting>"

    @property
    def is_idle(self) -> bool:
        """True when nobody stands in line."""
        return not self._line

    @property
    def demand(self) -> int:
        """How many messages those in line have room for."""
        if self.is_closed or self._storage.policy(self.name).is_paused:
            return 0
        return sum(max(0, subscriber.room) for subscriber in self._line)

    def withdraw(self, subscriber: "Subscriber") -> None:
        """Take a subscriber out of the line, if it is there."""
        self._line.pop(subscriber, None)

    def deal(self, newcomer: "Subscriber | None" = None) -> None:
        """Hand ready messages to those in line, until either runs out.

        A newcomer goes to the end of the line, unless it stands there already.
        Who is dealt something may take it, ask for more or leave at once: that
        is seen here when the next is looked for, and begins no deal of its own.
        """
        if newcomer is not None:
            self._line.setdefault(newcomer)
        if not self._line or self._is_dealing or self.goes_on_later or self.is_closed:
            return
        policy = self._storage.policy(self.name)
        if policy.is_paused:
            return
        self._is_dealing = True
        try:
            self._deal(policy.lease)
        finally:
            self._is_dealing = False

    def _deal(self, lease_seconds: float | None) -> None:
        line = self._line
        now = self.clock.now()
        goes = waiting = share = dealt = 0
        while line:
            if dealt >= DEALT_A_TURN:
                asyncio.get_running_loop().call_soon(self._go_on)
                self.goes_on_later = True
                return
            if not goes:
                goes = waiting = len(line)
                share = 0
            goes -= 1
            subscriber = next(iter(line))
            limit = subscriber.room
            if limit > 1 and waiting > 1:
                share = share or self._share(waiting)
                limit = min(limit, share)
            if limit > 0:
                deliveries = self._storage.lease(self.name, limit, SHARE_BYTES, now)
                if not deliveries:
                    return
                dealt += len(deliveries)
                subscriber.accept(deliveries, lease_seconds)
            line.pop(subscriber, None)
            if subscriber.room > 0:
                line.setdefault(subscriber)

    def _go_on(self) -> None:
        self.goes_on_later = False
        self.deal()

    def _share(self, waiting: int) -> int:
        """Return how many each in line gets before the first has another go."""
        ready = self._storage.statistics(self.name).ready
        return min(SHARE, max(1, -(-ready // waiting)))
