"""One claim to messages, which is met once, and holds no place in line then."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from miniqueue_py.broker.clock import Timer
from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.errors import ShuttingDown

if TYPE_CHECKING:
    from miniqueue_py.broker.claims import Claims

LOOKS_APART_SECONDS = 0.002
"""Between two looks if what is claimed on another machine has come."""

Dealt = Sequence[Delivery] | Exception

OnDealt = Callable[[Dealt], None]
"""Is told once what came of a claim: deliveries, which are its own to end; none when the wait is
over; or ShuttingDown, when the broker drained meanwhile. It must not raise."""


class Claim:
    """A claim to the next messages of a topic.

    What is dealt to it in line is taken in the turn after: until then more may
    come, and who cancels gives it back as if they had never had it.
    """

    def __init__(
        self, claims: "Claims", topic: str, limit: int, wait_seconds: float, on_dealt: OnDealt
    ) -> None:
        self.limit = limit
        self.is_over = False
        self._claims = claims
        self._topic = topic
        self._wait_seconds = wait_seconds
        self._on_dealt = on_dealt
        self._subscriber: Subscriber | None = None
        self._has_changed = False
        self._expired: int | None = None
        self._timer: Timer | None = None

    def __repr__(self) -> str:
        return f"<Claim to {self._topic!r}>"

    def cancel(self) -> None:
        """Want nothing any more; what came meanwhile goes back. Idempotent."""
        self.is_over = True
        self._leave_line()

    def meet(self, dealt: Dealt) -> None:
        """Tell what came of it. For the claims only."""
        if not self.is_over:
            self.is_over = True
            self._on_dealt(dealt)
        elif dealt and not isinstance(dealt, Exception):
            self._claims.give_back(self._topic, dealt)

    def wait_in_line(self) -> None:
        """Be a subscriber until something comes or the wait is over. Raises ShuttingDown."""
        broker, storage = self._claims.broker, self._claims.storage
        has_some = storage.statistics(self._topic).ready or storage.is_claiming(self._topic)
        if not self._wait_seconds and not has_some:
            asyncio.get_running_loop().call_soon(self.meet, ())
            return
        self._subscriber = broker.open_subscriber(self._topic, self._on_change)
        self._subscriber.start(self.limit)
        if self._wait_seconds > 0:
            self._timer = broker.clock.call_later(self._wait_seconds, self._look)
        else:
            self._look()

    def _on_change(self) -> None:
        if not self._has_changed:
            self._has_changed = True
            asyncio.get_running_loop().call_soon(self._finish)

    def _look(self) -> None:
        """Be content with nothing, unless some of what is ready now may be dealt to it.

        Only so much is dealt in a turn. Of what has expired storage removes only
        so much at a time, and then deals again. What is claimed elsewhere is waited for.
        """
        if self._has_changed or self._subscriber is None:
            return
        topic, storage = self._subscriber.topic, self._claims.storage
        if storage.is_claiming(topic.name):
            clock = self._claims.broker.clock
            self._timer = clock.call_later(LOOKS_APART_SECONDS, self._look)
            return
        statistics = storage.statistics(topic.name)
        has_stopped = statistics.expired == self._expired and not topic.goes_on_later
        if not statistics.ready or has_stopped:
            self._on_change()
            return
        self._expired = statistics.expired
        asyncio.get_running_loop().call_soon(self._look)

    def _finish(self) -> None:
        subscriber = self._subscriber
        if subscriber is None:  # it was cancelled meanwhile
            return
        is_refused = subscriber.closing and not subscriber.in_flight
        dealt = subscriber.hand_over()
        self._leave_line()
        self.meet(ShuttingDown() if is_refused else dealt)

    def _leave_line(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._subscriber is not None:
            subscriber, self._subscriber = self._subscriber, None
            self._claims.broker.close_subscriber(subscriber)
