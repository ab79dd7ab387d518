"""What the broker states as facts, for whoever listens.

The core does not log and does not count. Observers turn facts into lines and
metrics; where nobody listens no fact is built. A fact is of many messages,
because that is how they travel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from miniqueue_py.broker.delivery import Delivery, Outcome
from miniqueue_py.broker.policy import TopicPolicy


class Published(NamedTuple):
    """Messages are durable and confirmed."""

    topic: str
    messages: int
    size: int
    """Bytes of their bodies together."""
    duplicates: int = 0
    """Publications that stored nothing, since their key was known."""


class Refused(NamedTuple):
    """A publish was refused, by the broker or by the door it came to."""

    topic: str
    """Empty if what was asked for can be none."""
    reason: str
    """One of `refusals.REASONS`."""


class Delivered(NamedTuple):
    """Messages were handed to a consumer."""

    topic: str
    deliveries: Sequence[Delivery]


class Settled(NamedTuple):
    """Deliveries ended: what was decided, and what came of it."""

    topic: str
    decision: str
    outcome: Outcome
    deliveries: Sequence[Delivery]


class Buried(Settled):
    """Deliveries ended as dead letters: the outcome is a Bury."""


class Restored(NamedTuple):
    """Delays ended; that many messages are ready again."""

    messages: int


class Expired(NamedTuple):
    """That many messages are gone because their ttl was over."""

    messages: int


class Redriven(NamedTuple):
    """Dead letters went back to where they came from."""

    topic: str
    messages: int


class PolicySet(NamedTuple):
    """A topic has a new policy, or was paused or resumed."""

    topic: str
    policy: TopicPolicy


class ClockStepped(NamedTuple):
    """The machine's clock was set between two ticks, or the machine slept."""

    seconds: float
    """Negative if it was set back."""


class Deleted(NamedTuple):
    """A topic was deleted."""

    topic: str


class Purged(NamedTuple):
    """All messages of a topic were removed, that many; its policy stayed."""

    topic: str
    messages: int


class Loaded(NamedTuple):
    """All that a topic had was replaced by that many messages, or by none."""

    topic: str
    messages: int


class StorageFailed(NamedTuple):
    """The store takes no more messages."""

    cause: str


class StorageRecovered(NamedTuple):
    """The store takes messages again."""


class StorageDamaged(NamedTuple):
    """Something stored cannot be read: it is passed over, and all else goes on."""

    what: str


Event = (
    ClockStepped
    | Published
    | Refused
    | Delivered
    | Settled
    | Buried
    | Restored
    | Expired
    | Redriven
    | PolicySet
    | Deleted
    | Purged
    | Loaded
    | StorageFailed
    | StorageRecovered
    | StorageDamaged
)
KINDS: tuple[type[Event], ...] = get_args(Event)
Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Listener:
    """An observer that says which facts it wants; others are not built or shown for it."""

    observe: Observer
    kinds: tuple[type[Event], ...]
    topic: str | None = None
    """None: of all topics."""

    def __call__(self, event: Event) -> None:
        self.observe(event)


class Observers:
    """Those who listen, and to what; false when there are none."""

    def __init__(self, *observers: Observer) -> None:
        self._of_all: dict[type[Event], list[Observer]] = {}
        self._of_topics: dict[type[Event], dict[object, list[Observer]]] = {}
        self.kinds: frozenset[type[Event]] = frozenset()
        """What somebody listens to: no other fact need be built."""
        for observer in observers:
            self.add(observer)

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def add(self, observer: Observer) -> None:
        """Have one listen more."""
        wanted = observer if isinstance(observer, Listener) else Listener(observer, KINDS)
        for kind in KINDS:
            if not issubclass(kind, wanted.kinds):
                continue
            if wanted.topic is None:
                self._of_all.setdefault(kind, []).append(wanted.observe)
            else:
                of_topics = self._of_topics.setdefault(kind, {})
                of_topics.setdefault(wanted.topic, []).append(wanted.observe)
        self.kinds = frozenset((*self._of_all, *self._of_topics))

    def tell(self, event: Event) -> None:
        """State one fact to all who want it."""
        kind = type(event)
        for observe in self._of_all.get(kind, ()):
            observe(event)
        if kind in self._of_topics:
            for observe in self._of_topics[kind].get(event[0] if event else None, ()):
                observe(event)
