"""When a message is tried again: as the worker says, or as its topic's policy does."""

from collections.abc import Awaitable, Callable

from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.worker.outcomes import Delays, Outcome, SetAside, outcome_of, under
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.protocol.topics import Topic

Ask = Callable[[str], Awaitable[Topic]]
"""Asks the broker for what it knows of a topic."""


class Retries:
    """Decides what becomes of messages whose handlers have ended."""

    def __init__(self, delays: Delays, ask: Ask | None = None) -> None:
        """Make it follow the policies of topics if it can `ask` for them."""
        self._delays = delays
        self._ask = ask

    async def outcome_of(self, delivery: Delivery, raised: BaseException | None) -> Outcome:
        outcome = outcome_of(raised, delivery.dack_count, self._delays)
        if self._ask is None or not isinstance(outcome, SetAside):
            return outcome
        try:
            # Each time: it costs a round trip, and an operator may have changed it.
            policy = (await self._ask(delivery.topic)).policy
        except MiniqueueError:
            return outcome  # told of a broker that is there, or to nobody
        return under(policy, outcome, raised, delivery.attempt)
