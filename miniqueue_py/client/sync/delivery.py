"""A delivery in the hands of a program that does not await."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from miniqueue_py.client.delivery import Delivery, Held
from miniqueue_py.client.errors import AlreadySettled, DeliveryLost
from miniqueue_py.errors import LeaseExpired

Saying = Callable[[], Awaitable[None]]
"""A settlement, to be said in the client's loop."""


class Teller(Protocol):
    """Takes settlements to the loop of the client."""

    def say_soon(self, saying: Saying) -> None:
        """See to it that it is said within milliseconds, and do not wait."""

    def say(self, saying: Saying) -> None:
        """Say it behind what is to be said, and wait until that is done."""


class SyncDelivery(Held):
    """One handing-out of a message: `Delivery`, without await.

    The verbs return at once; many settlements leave together, within
    milliseconds. They raise AlreadySettled, LeaseExpired, and DeliveryLost if
    the stream is gone that the delivery came on. One that was not settled goes
    back to its topic when the subscription ends. Any thread may settle it, but
    one at a time.
    """

    __slots__ = ("_delivery", "_teller")

    def __init__(self, teller: Teller, delivery: Delivery) -> None:
        super().__init__(*delivery.parts)
        self._teller = teller
        self._delivery = delivery

    def ack(self) -> None:
        """Say that the message is done: it is removed."""
        self._settle("ACK", self._delivery.ack)

    def nack(self) -> None:
        """Give it back, to the front of the topic, or to wait for the policy's backoff."""
        self._settle("NACK", self._delivery.nack)

    def back(self) -> None:
        """Give it back, behind all that wait."""
        self._settle("BACK", self._delivery.back)

    def dack(self, seconds: float) -> None:
        """Set it aside for so many seconds, rounded up to whole ones."""
        self._check("DACK")
        # The seconds are checked where it is said, so this one is waited for.
        self._teller.say(partial(self._delivery.dack, seconds))
        self.is_settled = True

    def dead(self) -> None:
        """Send it to the topic of dead letters."""
        self._settle("DEAD", self._delivery.dead)

    def release(self) -> None:
        """Give it back to the front, as if it had not been handed out: no attempt is counted."""
        self._settle("RELEASE", self._delivery.release)

    def touch(self) -> None:
        """Begin the lease anew, as long as it was."""
        self._check("TOUCH")
        self._teller.say_soon(self._delivery.touch)

    def _settle(self, word: str, saying: Saying) -> None:
        self._check(word)
        self.is_settled = True
        self._teller.say_soon(saying)

    def _check(self, word: str) -> None:
        if self.is_settled:
            raise AlreadySettled(self.topic, self.id)
        if self.is_lost:
            raise DeliveryLost(self.topic, self.id)
        if self.is_expired:
            raise LeaseExpired(word)
