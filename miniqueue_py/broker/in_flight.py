"""What one subscriber holds, by number.

No step costs more when more is held. That is not a dict's way with its first
key: it looks through the places of all that were deleted before it, so of a
million deliveries each ACK would be dearer than the one before. Numbers only
grow, so where the oldest was found is where the next is looked for.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from miniqueue_py.broker.delivery import Delivery

_CLOSE = 64
"""Numbers from the last oldest on that are tried before the table is asked."""


class InFlight:
    """Deliveries, numbered from 1 in the order in which they were dealt."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes of their bodies."""
        self.next_number = 1
        self.deliveries: dict[int, Delivery] = {}
        """To be looked at."""
        self._oldest = 1
        """No delivery before it is in flight."""

    def __len__(self) -> int:
        return len(self.deliveries)

    def __iter__(self) -> Iterator[int]:
        return iter(self.deliveries)

    def add(self, deliveries: Sequence[Delivery]) -> dict[int, Delivery]:
        """Give numbers to deliveries; return them by these."""
        first = self.next_number
        self.next_number += len(deliveries)
        if len(deliveries) == 1:  # one by one is how many travel
            numbered = {first: deliveries[0]}
            self.deliveries[first] = deliveries[0]
        else:
            numbered = dict(zip(range(first, self.next_number), deliveries, strict=True))
            self.deliveries.update(numbered)
        self.size += _size_of(deliveries)
        return numbered

    def remove(self, numbers: Iterable[int]) -> Sequence[Delivery]:
        """Return deliveries that are in flight, and are not any more."""
        removed = list(map(self.deliveries.pop, numbers))
        self.size = self.size - _size_of(removed) if self.deliveries else 0
        return removed

    def remove_all(self) -> Sequence[Delivery]:
        removed = list(self.deliveries.values())
        self.deliveries.clear()
        self.size = 0
        return removed

    def find_oldest(self) -> int | None:
        deliveries = self.deliveries
        for number in range(self._oldest, min(self._oldest + _CLOSE, self.next_number)):
            if number in deliveries:
                break
        else:
            if not deliveries:
                return None
            number = next(iter(deliveries))
        self._oldest = number
        return number

    def find_up_to(self, last: int) -> Sequence[int]:
        oldest = self.find_oldest() or last
        if last - oldest < 2 * len(self.deliveries):
            return list(filter(self.deliveries.__contains__, range(oldest, last + 1)))
        return list(takewhile(last.__ge__, self.deliveries))

    def count_looked_at(self, last: int) -> int:
        """Return what `find_up_to` costs: the numbers that it looks at, or some more."""
        oldest = self.find_oldest() or last
        return max(0, min(last - oldest + 1, 2 * len(self.deliveries)))

    def skip(self, last: int) -> None:
        """Know that nothing up to there is in flight any more."""
        self._oldest = max(self._oldest, last + 1)


def _size_of(deliveries: Sequence[Delivery]) -> int:
    """Return the bytes of their bodies together."""
    if len(deliveries) == 1:
        return len(deliveries[0].message.body)
    return sum([len(delivery.message.body) for delivery in deliveries])
