"""What was dealt to one subscriber and not taken by it yet.

Nobody has seen it, so it goes back with no attempt counted. It is bounded:
who does not take is dealt no more, whatever its credit, and others get that.
"""

from collections.abc import Iterable, Sequence

from miniqueue_py.broker.delivery import Delivery

MOST_UNTAKEN = 2000
"""Messages dealt to a subscriber that it has not taken yet."""

MOST_UNTAKEN_BYTES = 1 << 18
"""And their bytes: beyond these it is dealt nothing until it has taken them."""


class Untaken:
    """Deliveries by their numbers, until they are taken or go back."""

    def __init__(self) -> None:
        self.is_awaited = False
        """True when a look makes a difference."""
        self._deliveries: dict[int, Delivery] = {}
        self._size = 0
        """Bytes of their bodies."""
        self._must_take = False
        """Some went back because their time was over: there is no room before a look."""

    def __len__(self) -> int:
        return len(self._deliveries)

    def __contains__(self, number: int) -> bool:
        return number in self._deliveries

    @property
    def room(self) -> int:
        """How many more it may be dealt."""
        if self._must_take or self._size >= MOST_UNTAKEN_BYTES:
            return 0
        return MOST_UNTAKEN - len(self._deliveries)

    @property
    def first_number(self) -> int | None:
        return next(iter(self._deliveries), None)

    def add(self, numbered: dict[int, Delivery], size: int) -> None:
        """Keep what was dealt, the dict itself too; `size` is the bytes of the bodies."""
        if self._deliveries:
            self._deliveries.update(numbered)
        else:
            self._deliveries = numbered
        self._size += size
        self.is_awaited = True

    def take(self) -> Sequence[tuple[int, Delivery]]:
        """Return all, with their numbers; it is untaken no more."""
        taken = list(self._deliveries.items())
        self._deliveries = {}
        self._size = 0
        self._must_take = self.is_awaited = False
        return taken

    def lose(self, numbers: Iterable[int]) -> None:
        """Let go of some whose time was over, and keep no more until all else is taken."""
        for number in numbers:
            self._size -= len(self._deliveries.pop(number).message.body)
            self._must_take = True

    def clear(self) -> Sequence[int]:
        """Let go of all; return their numbers."""
        numbers = list(self._deliveries)
        self._deliveries = {}
        self._size = 0
        self.is_awaited = self._must_take
        return numbers
