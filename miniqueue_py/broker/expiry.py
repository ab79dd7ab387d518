"""The ends of leases: whose are over, on streams and by receipts."""

from math import inf

from miniqueue_py.broker.alarms import Alarms
from miniqueue_py.broker.next_look import NextLook
from miniqueue_py.broker.receipts import Receipts
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.subscriber import Subscriber


class Expiry:
    """Gives back what was held for too long; instants are monotonic readings."""

    def __init__(self, receipts: Receipts, look: NextLook) -> None:
        self.look = look
        self._receipts = receipts
        self._leaseholders: Alarms[Subscriber] = Alarms()
        self.forget = self._leaseholders.drop

    def __repr__(self) -> str:
        return f"<Expiry, {len(self._leaseholders)} subscribers with leases>"

    @property
    def next_look(self) -> float:
        """When the first lease of all may be over."""
        ends = self._receipts.next_look, self._leaseholders.first
        return min((end for end in ends if end is not None), default=inf)

    def watch(self, subscriber: Subscriber, until: float) -> None:
        """Look for expired leases of a subscriber at that instant, or earlier."""
        self._leaseholders.set(subscriber, until)
        if until < self.look.at:
            self.look.bring_forward(until)

    def end_some(self, now: float, limit: int, decision: Decision) -> bool:
        """End some leases that are over, as was decided; tell if there may be more."""
        left = limit - self._receipts.expire(now, limit, decision)
        while left > 0:
            subscriber = self._leaseholders.pop_due(now)
            if subscriber is None:
                return False
            try:
                # To find that all its leases were begun anew is work as well.
                left -= max(1, subscriber.expire(now, left, decision))
            finally:
                until = subscriber.next_expiry
                if until is not None:
                    self.watch(subscriber, until)
        return True
