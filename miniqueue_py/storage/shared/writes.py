"""What a broker has its store write: plain values, which a store carries out in their order.

A position is that of a message in its lane, which is a priority of a topic. Topics that
are held are named by their number, since their names may be another's by now.
"""

from collections.abc import Sequence
from typing import NamedTuple

from miniqueue_py.broker.message import BatchCount, Message, Publication, Stored
from miniqueue_py.errors import KeyReused

Place = tuple[int, int]
"""A priority, and a position in it."""


class Range(NamedTuple):
    """Positions of a lane, both ends included."""

    priority: int
    first: int
    last: int

    @property
    def place(self) -> Place:
        """What it is known by."""
        return self.priority, self.first


class Append(NamedTuple):
    """New messages at the back of a topic. Its answer: what became of each publication."""

    topic: str
    publications: Sequence[Publication]
    now: float
    """In the store's time, as all instants here."""
    keep_keys_for: float
    batch: BatchCount | None


class Acknowledge(NamedTuple):
    """Messages that are done, as ranges of which all is."""

    topic: int
    ranges: Sequence[Range]


class CloseClaims(NamedTuple):
    """Claims of which nothing is held any more."""

    topic: int
    places: Sequence[Place]


class GiveBack(NamedTuple):
    """Claims of which a part goes back to where it stood in line."""

    topic: int
    gone: Sequence[Place]
    """The claims, as they were."""
    kept: Sequence[Range]
    freed: Sequence[Range]
    """What they fall apart into."""
    failed: Sequence[Place]
    """Messages that count an attempt."""
    returned: int
    unseen: int
    """How many messages go back, and how many of these were handed to nobody."""


class Carry(NamedTuple):
    """Messages that move to the back of a topic, as they are from now on."""

    topic: int
    target: str
    moved: Sequence[tuple[Place, Message]]
    is_buried: bool


class SetAside(NamedTuple):
    """Messages that are delayed, and until when in milliseconds."""

    topic: int
    moved: Sequence[tuple[Place, Message, int]]


class Disown(NamedTuple):
    """Claims that the broker may have and does not know of: all but these."""

    topic: int
    known: Sequence[Place]


class CountBatch(NamedTuple):
    """How far a batch has come. Its answer: that number."""

    topic: str
    key: str
    now: float


Write = Append | Acknowledge | CloseClaims | GiveBack | Carry | SetAside | Disown | CountBatch

Answer = Sequence[Stored] | int | KeyReused | None
"""KeyReused: nothing of that write was stored, and all others were made."""
