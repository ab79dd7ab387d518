"""What a store keeps for brokers that come and go: the moves of messages, awaited.

A broker is known by a number that it gets when it registers, and writes by lines, each of
which counts its turns. A store refuses the turns of a broker that was reaped (Lost), and
makes none twice. Every method raises StorageUnavailable when the store cannot be asked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Moved, TopicStatistics
from miniqueue_py.storage.shared.writes import Answer, Place, Range, Write

WRITERS = 2
"""Lines by which a broker writes; a topic's moves are made by one of them, in order."""

CLAIMER = WRITERS
"""The line by which it claims."""

LINES = WRITERS + 1


class Lost(Exception):
    """The broker was reaped: what it held is with others. It may register anew."""


class Turn(NamedTuple):
    """Who writes, by which line, and the how-manieth time."""

    broker: int
    line: int
    number: int


class Taken(NamedTuple):
    """Messages that a broker holds from now on."""

    topic: int
    ranges: Sequence[Range]
    messages: Sequence[tuple[Place, Place, Message]]
    """Each with its range's place and its own, in the order of delivery."""
    expired: int
    """How many were found to be expired, and are gone."""
    has_more: bool
    """True when it stopped at those that are gone."""


class Figures(NamedTuple):
    """A topic as it stands in the store."""

    number: int
    statistics: TopicStatistics
    oldest_ms: int | None


class Pulse(NamedTuple):
    """What a broker is told when it says that it is there."""

    now: float
    """The store's time, in seconds since the epoch."""
    policies: int
    """A number that grows when a policy is changed."""


class SeenMessage(NamedTuple):
    """A message as a look shows it."""

    message: Message
    topic: int
    place: Place
    due_ms: int | None


class Store(Protocol):
    """What the engine asks; `miniqueue_py.testing.check_storage` tests it by the engine."""

    async def register(self, lease_seconds: float) -> int:
        """Become a broker, and return its number. It is reaped if its lease runs out."""
        ...

    async def renew(self, broker: int, lease_seconds: float) -> Pulse:
        """Begin the broker's lease anew. Raises Lost."""
        ...

    async def leave(self, broker: int) -> None:
        """Give what the broker holds to others, and be none any more."""
        ...

    async def write(self, turn: Turn, writes: Sequence[Write]) -> Sequence[Answer]:
        """Make all of these moves or none, in this order; durable when it returns.

        Raises Lost, and Unknown when nobody knows if they were made.
        """
        ...

    async def take(
        self, turn: Turn, topic: str, limit: int, max_bytes: int, now: float
    ) -> Taken | None:
        """Claim messages that are ready, the first in line first; None for an unknown topic.

        Raises Lost, and Unknown.
        """
        ...

    async def take_seen(
        self, turn: Turn, topic: int, places: Sequence[Place], now: float
    ) -> Taken | None:
        """Claim those of these that are ready, in this order. Raises Lost, and Unknown."""
        ...

    async def release(self, now: float, limit: int) -> Moved:
        """Make the moves whose time has come; see `Storage.release_due`."""
        ...

    async def tidy(self) -> int:
        """Reap brokers whose lease is over and remove some of what is gone; say how many rows."""
        ...

    async def purge(self, topic: str) -> int | None:
        """Remove a topic; return its number if there was one."""
        ...

    async def replace(self, topic: str, source: str) -> tuple[int | None, int]:
        """Give a topic's name to another; return the number of the old and of the new."""
        ...

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None: ...

    async def policies(self) -> Mapping[str, TopicPolicy]:
        """Return the policies of all topics that have one."""
        ...

    async def figures(self, topics: Sequence[str] | None) -> Mapping[str, Figures]:
        """Count the messages of these topics, or of all; unknown ones are left out."""
        ...

    async def look(
        self, topic: str, state: State, limit: int, after: Place | None
    ) -> Sequence[SeenMessage]:
        """Return what is in a state, in its order, at most `limit`, expired ones included."""
        ...

    def watch(self, on_ready: Callable[[str], None], on_gone: Callable[[int], None]) -> None:
        """Call these when a topic may have something, and when one is gone, by its number.

        Hints: some may be lost.
        """
        ...

    async def aclose(self) -> None:
        """Let go of the store. Idempotent."""
        ...
