"""What a store must answer, as a list and a dict: slow, small, and obviously right.

Times are whole milliseconds. A message's place in line is a pair: those that
came due go before all others, the latest release first, in due order; the
others stand in the order in which they came to the back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from miniqueue_py.broker.delivery import REDRIVE, Bury, Delay, Redrive, Requeue
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import Extras, Message, MessageId, Origin, Publication
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import TopicStatistics, is_hidden

_NOTHING_KNOWN = (0, (0, 0), b"")


@dataclass(eq=False)
class Item:
    """A message and where it stands."""

    topic: str
    place: tuple[int, int]
    body: bytes
    id: MessageId
    published_ms: int
    priority: int
    expires_ms: int | None
    due_ms: int = 0
    dack_count: int = 0
    attempts: int = 0
    written_attempts: int = 0
    """What a store that was opened again remembers of them."""
    origin: Origin | None = None

    def message(self, attempts: int) -> Message:
        extras = Extras(self.dack_count, attempts, self.priority, self.expires_ms, self.origin)
        return Message(self.body, self.id, self.published_ms, extras)

    def is_over(self, now_ms: int) -> bool:
        return self.expires_ms is not None and self.expires_ms <= now_ms

    def rank(self) -> tuple[int, tuple[int, int]]:
        return -self.priority, self.place


@dataclass
class Topic:
    """The lists of a topic; what is in none of them is gone."""

    number: int
    ready: list[Item] = field(default_factory=list)
    held: list[Item] = field(default_factory=list)
    delayed: list[Item] = field(default_factory=list)
    keys: dict[str, tuple[int, MessageId, bytes]] = field(default_factory=dict)
    batches: dict[str, tuple[int, int]] = field(default_factory=dict)
    policy: TopicPolicy = DEFAULT_POLICY
    last: int = 0
    published: int = 0
    delivered: int = 0
    acknowledged: int = 0
    expired: int = 0
    buried: int = 0

    def items(self) -> list[Item]:
        return self.ready + self.held + self.delayed

    def add_ready(self, item: Item) -> None:
        self.ready.append(item)
        self.ready.sort(key=Item.rank)

    def statistics(self) -> TopicStatistics:
        return TopicStatistics(
            ready=len(self.ready),
            in_flight=len(self.held),
            delayed=len(self.delayed),
            bytes=sum(len(item.body) for item in self.items()),
            published=self.published,
            delivered=self.delivered,
            acknowledged=self.acknowledged,
            expired=self.expired,
            buried=self.buried,
        )

    def oldest_ms(self) -> int | None:
        first: dict[int, Item] = {}
        for item in sorted(self.ready + self.held, key=Item.rank):
            first.setdefault(item.priority, item)
        return min((item.published_ms for item in first.values()), default=None)


class Model:
    """Topics by name."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = {}
        self.now_ms = 1_000_000
        self._numbers = count(1)
        self._places = count(1)
        self._release = 0
        self._release_ms: int | None = None

    def open(self, name: str) -> Topic:
        if name not in self.topics:
            self.topics[name] = Topic(next(self._numbers))
        return self.topics[name]

    def known_key(self, name: str, key: str | None) -> MessageId | None:
        until_ms, first, _ = self.open(name).keys.get(key or "", _NOTHING_KNOWN)
        return first if until_ms > self.now_ms else None

    def reuses_a_key(self, name: str, publications: Sequence[Publication], keep_ms: int) -> bool:
        """Tell if any of these has the key of another body, of before or among themselves."""
        bodies: dict[str, bytes] = {}
        known = self.topics[name].keys if name in self.topics else {}
        for key, (until_ms, _, body) in known.items():
            if until_ms > self.now_ms:
                bodies[key] = body
        for each in publications:
            if each.key is not None:
                if bodies.get(each.key, each.bodies[0]) != each.bodies[0]:
                    return True
                if keep_ms:
                    bodies[each.key] = each.bodies[0]
        return False

    def batch_count(self, name: str, key: str) -> int:
        topic = self.topics.get(name) or Topic(0)
        until_ms, messages = topic.batches.get(key, (0, 0))
        return messages if until_ms > self.now_ms else 0

    def publish(self, name: str, publication: Publication, first: MessageId, keep_ms: int) -> None:
        """Take in a publication that the store numbered from `first` on."""
        topic = self.open(name)
        number, sequence = first
        assert number == topic.number
        assert sequence > topic.last, "ids rise"
        topic.last = sequence + len(publication.bodies) - 1
        if publication.key is not None:
            topic.keys[publication.key] = self.now_ms + keep_ms, first, publication.bodies[0]
        topic.published += len(publication.bodies)
        ttl, delay_ms = publication.ttl_seconds, int(publication.delay_seconds * 1000)
        expires_ms = None if ttl is None else self.now_ms + int(ttl * 1000)
        for own, body in enumerate(publication.bodies, sequence):
            item = Item(
                name,
                self._back(),
                body,
                (number, own),
                self.now_ms,
                publication.priority,
                expires_ms,
            )
            if delay_ms:
                self._put_aside(item, self.now_ms + delay_ms)
            else:
                topic.add_ready(item)

    def lease(self, name: str, limit: int, max_bytes: int) -> list[Item]:
        topic = self.topics.get(name) or Topic(0)
        taken: list[Item] = []
        while topic.ready and len(taken) < limit and sum(len(i.body) for i in taken) < max_bytes:
            item = topic.ready.pop(0)
            if item.is_over(self.now_ms):
                topic.expired += 1
            else:
                taken.append(item)
        topic.held += taken
        topic.delivered += len(taken)
        return taken

    def peek(self, name: str, limit: int, max_bytes: int) -> list[Item]:
        topic = self.topics.get(name) or Topic(0)
        seen: list[Item] = []
        for item in topic.ready:
            if len(seen) == limit or sum(len(i.body) for i in seen) >= max_bytes:
                break
            if not item.is_over(self.now_ms):
                seen.append(item)
        return seen

    def look(self, name: str, state: State) -> list[Item]:
        topic = self.topics.get(name) or Topic(0)
        match state:
            case State.READY:
                return self.snapshot(name)
            case State.LEASED:
                return sorted(topic.held, key=Item.rank)
            case _:
                delayed = [item for item in topic.delayed if not item.is_over(self.now_ms)]
                return sorted(delayed, key=lambda item: (item.due_ms, item.place))

    def lease_seen(self, name: str, ids: list[MessageId]) -> list[Item]:
        topic = self.topics.get(name) or Topic(0)
        taken: list[Item] = []
        for item in [item for item in topic.ready if item.id in ids]:
            topic.ready.remove(item)
            if item.is_over(self.now_ms):
                topic.expired += 1
            else:
                taken.append(item)
        topic.held += taken
        topic.delivered += len(taken)
        return taken

    def snapshot(self, name: str) -> list[Item]:
        topic = self.topics.get(name) or Topic(0)
        return [item for item in topic.ready if not item.is_over(self.now_ms)]

    def acknowledge(self, item: Item) -> None:
        topic = self._let_go(item)
        topic.acknowledged += 1

    def requeue(self, item: Item, outcome: Requeue) -> None:
        topic = self._let_go(item)
        item.attempts += outcome.is_counted
        if not outcome.front:
            item.place = self._back()
        if not outcome.front or (outcome.must_last and outcome.is_counted):
            item.written_attempts = item.attempts
        topic.add_ready(item)

    def delay(self, item: Item, outcome: Delay) -> None:
        self._let_go(item)
        item.attempts += 1
        item.written_attempts = item.attempts
        item.dack_count += outcome.is_dack
        self._put_aside(item, int(outcome.until * 1000))

    def bury(self, item: Item, outcome: Bury) -> None:
        topic = self._let_go(item)
        topic.buried += 1
        first = item.origin.first or item.origin if item.origin else None
        item.origin = Origin(item.topic, outcome.reason, item.attempts + 1, outcome.at_ms, first)
        self._carry(item, outcome.topic)

    def redrive(self, item: Item, outcome: Redrive = REDRIVE) -> None:
        topic = self._let_go(item)
        if item.origin is None:
            topic.add_ready(item)
            return
        last, first = item.origin, item.origin.first
        item.origin = None
        if outcome.topic is not None:
            target = outcome.topic
        elif outcome.to_first:
            target = (first or last).topic
        else:
            target, item.origin = last.topic, first
        self._carry(item, target)

    def release(self, limit: int) -> tuple[int, int]:
        """Make at most `limit` moves; return how many were restored, and how many expired."""
        if self._release_ms != self.now_ms:
            self._release += 1
            self._release_ms = self.now_ms
        restored = expired = 0
        delayed = [item for topic in self.topics.values() for item in topic.delayed]
        due = [item for item in delayed if item.due_ms <= self.now_ms]
        for item in sorted(due, key=lambda i: (i.due_ms, *self._standing(i)))[:limit]:
            topic = self.topics[item.topic]
            topic.delayed.remove(item)
            if item.is_over(self.now_ms):
                topic.expired += 1
                expired += 1
            else:
                item.place = (-self._release, next(self._places))
                topic.add_ready(item)
                restored += 1
        ready = [item for topic in self.topics.values() for item in topic.ready]
        over = [item for item in ready if item.is_over(self.now_ms)]
        over.sort(key=lambda i: (i.expires_ms or 0, self.topics[i.topic].number, *i.rank()))
        for item in over[: limit - restored - expired]:
            topic = self.topics[item.topic]
            topic.ready.remove(item)
            topic.expired += 1
            expired += 1
        return restored, expired

    def end_release(self) -> None:
        """Everything that was due is done: the next release goes before it."""
        self._release_ms = None

    def is_release_over(self) -> bool:
        items = [item for topic in self.topics.values() for item in topic.ready]
        delayed = [item for topic in self.topics.values() for item in topic.delayed]
        return not any(item.is_over(self.now_ms) for item in items) and not any(
            item.due_ms <= self.now_ms for item in delayed
        )

    def purge(self, name: str) -> None:
        self.topics.pop(name, None)

    def replace(self, name: str, source: str) -> None:
        if name == source:
            return
        policy = self.topics[name].policy if name in self.topics else DEFAULT_POLICY
        topic = self.open(source)
        del self.topics[source]
        self.topics[name] = topic
        topic.policy = policy
        for item in topic.items():
            item.topic = name

    def reopen(self) -> None:
        """What was in flight stands where it stood; attempts that were not written are lost.

        So are hidden topics.
        """
        self.end_release()
        self.topics = {name: each for name, each in self.topics.items() if not is_hidden(name)}
        for topic in self.topics.values():
            for item in topic.held:
                topic.add_ready(item)
            topic.held.clear()
            for item in topic.ready:
                item.attempts = item.written_attempts

    def ready_ids(self) -> dict[str, set[MessageId]]:
        return {name: {item.id for item in topic.ready} for name, topic in self.topics.items()}

    def _back(self) -> tuple[int, int]:
        return 0, next(self._places)

    def _let_go(self, item: Item) -> Topic:
        topic = self.topics[item.topic]
        topic.held.remove(item)
        return topic

    def _put_aside(self, item: Item, due_ms: int) -> None:
        item.due_ms = due_ms if item.expires_ms is None else min(due_ms, item.expires_ms)
        self.topics[item.topic].delayed.append(item)

    def _carry(self, item: Item, target: str) -> None:
        topic = self.open(target)
        item.topic, item.place = target, self._back()
        item.dack_count = item.attempts = item.written_attempts = 0
        item.expires_ms = None
        topic.add_ready(item)

    def _standing(self, item: Item) -> tuple[int, tuple[int, int]]:
        return self.topics[item.topic].number, item.place
