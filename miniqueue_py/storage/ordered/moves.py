"""What each move of a message writes.

A message stays under its key while it is in flight: leases live in memory. So
taking one writes nothing, an ACK is one delete, a NACK is no write at all
unless its count of attempts has to last, and after a crash everything in
flight is ready again, in its old order, without anybody doing anything.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, repeat
from operator import attrgetter, is_
from typing import assert_never

from miniqueue_py.broker.delivery import (
    Ack,
    Bury,
    Delay,
    Delivery,
    Outcome,
    Redrive,
    Requeue,
)
from miniqueue_py.broker.message import PLAIN, Message
from miniqueue_py.storage import fates
from miniqueue_py.storage.ordered.agenda import Agendas
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer
from miniqueue_py.storage.ordered.writing.janitor import Janitor


class Moves:
    """Makes the moves of messages, in memory and in this turn's batch."""

    def __init__(
        self, committer: Committer, catalogue: Catalogue, janitor: Janitor, agendas: Agendas
    ) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._janitor = janitor
        self._agendas = agendas
        self.expired = 0
        """Of all topics, since the start."""

    def settle(
        self, deliveries: Sequence[Delivery], outcome: Outcome, ready: dict[str, None]
    ) -> list[Delivery]:
        """End deliveries; return those that were not held, and note what is ready where."""
        late: list[Delivery] = []
        if len(deliveries) == 1:  # one by one is how many travel
            [(_, key, topic)] = deliveries
            if topic.leased.get(key) is deliveries[0]:
                del topic.leased[key]
                if type(outcome) is Ack:
                    self._acknowledge(topic, deliveries)
                else:
                    self._end(topic, deliveries, outcome, ready)
                return late
        for topic, alike in _by_topic(deliveries):
            held = _take_back(topic, alike, late)
            if held:
                self._end(topic, held, outcome, ready)
        return late

    def restore(self, topic: TopicState, due_key: bytes, message: Message, position: int) -> None:
        """Make a message ready whose delay is over."""
        topic.delayed -= 1
        self._janitor.remove(topic, due_key, len(message.body))
        self._make_ready(topic, position, message)

    def drop_delayed(self, topic: TopicState, due_key: bytes, message: Message) -> None:
        """Remove a message that expired while it was set aside."""
        topic.delayed -= 1
        self._count_expired(topic)
        self._janitor.remove(topic, due_key, len(message.body))
        self._catalogue.count(topic, -1, -len(message.body))

    def expire(self, topic: TopicState, key: bytes, message: Message) -> None:
        """Remove a message that expired, is ready, and is not in the window any more."""
        self._count_expired(topic)
        self._remove(topic, key, message)
        self._catalogue.count(topic, -1, -len(message.body))

    def _count_expired(self, topic: TopicState) -> None:
        topic.expired += 1
        self.expired += 1

    def _end(
        self,
        topic: TopicState,
        ended: Sequence[Delivery],
        outcome: Outcome,
        ready: dict[str, None],
    ) -> None:
        match outcome:
            case Ack():
                self._acknowledge(topic, ended)
            case Requeue():
                for message, key, _ in ended:
                    self._requeue(topic, key, message, outcome)
                ready[topic.name] = None
            case Delay():
                for message, key, _ in ended:
                    self._put_aside(topic, key, message, outcome)
            case Bury():
                for message, key, _ in ended:
                    self._bury(topic, key, message, outcome)
                ready[outcome.topic] = None
            case Redrive():
                for message, key, _ in ended:
                    ready[self._redrive(topic, key, message, outcome)] = None
            case _:
                assert_never(outcome)

    def _acknowledge(self, topic: TopicState, ended: Sequence[Delivery]) -> None:
        gone: Sequence[bytes]
        if len(ended) == 1:
            [(message, key, _)] = ended
            size, is_plain, gone = len(message.body), message.extras is PLAIN, (key,)
        else:  # turned on its side, so that builtins do the work
            messages, gone, _ = zip(*ended, strict=True)
            bodies, _, _, extras = zip(*messages, strict=True)
            size, is_plain = sum(map(len, bodies)), extras.count(PLAIN) == len(ended)
        topic.stored -= len(ended)
        topic.acknowledged += len(ended)
        self._catalogue.count(topic, -len(ended), -size)
        self._janitor.remove_all(topic, gone, size)
        if not is_plain:
            for message, key, _ in ended:
                self._forget_expiry(topic, key, message)

    def _requeue(self, topic: TopicState, key: bytes, message: Message, outcome: Requeue) -> None:
        if outcome.is_counted:
            message = fates.attempted(message)
        if not outcome.front:
            self._remove(topic, key, message)
            self._make_ready(topic, topic.take_back(), message)
            return
        record = self._return(topic, key, message)
        if outcome.is_counted and outcome.must_last:
            self._committer.put(topic, key, record)

    def _put_aside(self, topic: TopicState, key: bytes, message: Message, outcome: Delay) -> None:
        self._remove(topic, key, message)
        topic.delayed += 1
        position = keys.position_of(key)
        delayed = fates.delayed(message, is_dack=outcome.is_dack)
        self._agendas.add_delay(
            topic, self._agendas.delayed_entry(topic, position, delayed, outcome.until)
        )

    def _bury(self, topic: TopicState, key: bytes, message: Message, outcome: Bury) -> None:
        topic.buried += 1
        buried = fates.buried(message, topic.name, outcome)
        self._carry(topic, key, message, outcome.topic, buried)

    def _redrive(self, topic: TopicState, key: bytes, message: Message, outcome: Redrive) -> str:
        """Begin a dead letter anew; return the topic that it is in now."""
        redriven = fates.redriven(message, outcome)
        if redriven is None:
            self._return(topic, key, message)
            return topic.name
        target, fresh = redriven
        self._carry(topic, key, message, target, fresh)
        return target

    def _carry(
        self, source: TopicState, key: bytes, before: Message, name: str, after: Message
    ) -> None:
        """Move a message to the back of another topic, as it is from now on."""
        target = self._catalogue.open(name)
        self._remove(source, key, before)
        size = len(after.body)
        self._catalogue.count(source, -1, -size)
        self._catalogue.count(target, 1, size)
        self._make_ready(target, target.take_back(), after)

    def _return(self, topic: TopicState, key: bytes, message: Message) -> bytes:
        """Make a message ready in its old place; return the record that it has now."""
        record = records.encode(message, topic.implied_id(keys.position_of(key)))
        topic.window.insert(key, record)
        self._agendas.note_expiry(key, message)
        return record

    def _make_ready(self, topic: TopicState, position: int, message: Message) -> None:
        """Make a message ready in a new place."""
        key = keys.message_key(topic.id, position, message.extras.priority)
        record = records.encode(message, topic.implied_id(position))
        topic.stored += 1
        topic.stand_at(key)
        self._committer.put(topic, key, record)
        topic.window.insert(key, record)
        if message.extras.expires_ms is not None:
            self._agendas.add_expiry(topic, message.extras.expires_ms, key)

    def _remove(self, topic: TopicState, key: bytes, message: Message) -> None:
        topic.stored -= 1
        self._janitor.remove(topic, key, len(message.body))
        self._forget_expiry(topic, key, message)

    def _forget_expiry(self, topic: TopicState, key: bytes, message: Message) -> None:
        if message.extras.expires_ms is not None:
            self._janitor.remove(topic, keys.expiry_key(message.extras.expires_ms, key), 0)


def _by_topic(
    deliveries: Sequence[Delivery],
) -> Iterable[tuple[TopicState, Sequence[Delivery]]]:
    """Part deliveries by their topics; as a rule there is one."""
    if len({delivery[2] for delivery in deliveries}) == 1:
        return ((deliveries[0][2], deliveries),)
    parts = groupby(deliveries, attrgetter("topic"))
    return [(topic, list(alike)) for topic, alike in parts]


def _take_back(
    topic: TopicState, deliveries: Sequence[Delivery], late: list[Delivery]
) -> Sequence[Delivery]:
    """Take back what is held of a topic's; as a rule that is all, and then it is quick."""
    leased = topic.leased
    _, wanted, _ = zip(*deliveries, strict=True)
    taken = list(map(leased.pop, wanted, repeat(None)))
    if all(map(is_, taken, deliveries)):
        return deliveries
    leased.update({each.receipt: each for each in taken if each is not None})
    held: list[Delivery] = []
    for delivery in deliveries:
        if leased.get(delivery.receipt) is delivery:
            held.append(leased.pop(delivery.receipt))
        else:
            late.append(delivery)
    return held
