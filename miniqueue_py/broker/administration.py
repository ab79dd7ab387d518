"""Looking at topics and deciding their policies: what operators do."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.delivery import REDRIVE, Delivery
from miniqueue_py.broker.events import Observers, PolicySet, Redriven
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Storage, TopicStatistics
from miniqueue_py.errors import BadTopicName, Contradiction, TopicNotFound
from miniqueue_py.topic_names import LONGEST_NAME_BYTES, check_topic_name

_REDRIVEN_A_TURN = 500
_REDRIVEN_BYTES_A_TURN = 1 << 20

ENOUGH_PEEKED_BYTES = 1 << 20
"""A look at what comes next shows no further message behind so many bytes of bodies."""

MOST_PASSED_OVER = 10_000
"""Messages that are no dead letters which a redrive holds aside until it is done."""

MOST_BYTES_PASSED_OVER = 1 << 24
"""And their bytes."""

_NAMES_A_TURN = 5000


class Overview(NamedTuple):
    """A topic at one moment."""

    name: str
    statistics: TopicStatistics
    oldest_age_seconds: float | None
    consumers: int
    policy: TopicPolicy


class Administration:
    """The verbs of the topic pages."""

    def __init__(self, broker: Broker, storage: Storage, observers: Observers) -> None:
        self._broker = broker
        self._storage = storage
        self._observers = observers

    def topics(self) -> Sequence[str]:
        """Name the topics, in order."""
        return sorted(self._storage.topics())

    async def topics_after(self, name: str | None, limit: int) -> Sequence[str]:
        """Name the first topics behind that name, in order; None is before all.

        Others have their turn in between, however many topics there are.
        """
        known = self._storage.topics()
        first: list[str] = []
        for start in range(0, len(known), _NAMES_A_TURN):
            some = known[start : start + _NAMES_A_TURN]
            if name is not None:
                some = [each for each in some if each > name]
            if len(first) == limit:
                some = [each for each in some if each < first[-1]]
            first = sorted([*first, *some])[:limit]
            await asyncio.sleep(0)
        return first

    def knows(self, topic: str) -> bool:
        """Tell if there is such a topic."""
        return self._storage.knows(topic)

    def statistics(self, topic: str) -> TopicStatistics:
        """Count a topic's messages; an unknown topic has none."""
        return self._storage.statistics(topic)

    @property
    def topic_count(self) -> int:
        """How many topics there are."""
        return len(self._storage.topics())

    def policy(self, topic: str) -> TopicPolicy:
        """Return a topic's policy; an unknown topic has the default."""
        return self._storage.policy(topic)

    def overview(self, topic: str) -> Overview:
        """Describe a topic. Raises TopicNotFound."""
        self._check_known(topic)
        oldest_ms = self._storage.oldest_ms(topic)
        age = None if oldest_ms is None else max(0.0, self._broker.clock.now() - oldest_ms / 1000)
        return Overview(
            topic,
            self._storage.statistics(topic),
            age if oldest_ms else None,
            self._broker.consumer_count(topic),
            self._storage.policy(topic),
        )

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        """Give a topic, new or not, a policy; whether it is paused stays as it is.

        Raises Contradiction for dead letters that would come back or have
        nowhere to go; StorageUnavailable.
        """
        self._check_dead_letters(topic, policy)
        await self._set(topic, replace(policy, is_paused=self._storage.policy(topic).is_paused))

    async def pause(self, topic: str) -> None:
        """Deliver nothing of the topic until it is resumed. Raises TopicNotFound."""
        self._check_known(topic)
        await self._set(topic, replace(self._storage.policy(topic), is_paused=True))

    async def resume(self, topic: str) -> None:
        """Deliver again. Raises TopicNotFound."""
        self._check_known(topic)
        await self._set(topic, replace(self._storage.policy(topic), is_paused=False))

    def peek(self, topic: str, limit: int) -> Sequence[Message]:
        """Return what would be delivered next, no more behind ENOUGH_PEEKED_BYTES.

        Raises TopicNotFound.
        """
        self._check_known(topic)
        return self._storage.peek(topic, limit, ENOUGH_PEEKED_BYTES, self._broker.clock.now())

    async def redrive(self, topic: str, limit: int | None = None) -> int:
        """Return dead letters of this topic to where they came from; say how many.

        Those that are ready now, in their order, to the back, with their
        attempts forgotten. Messages that are no dead letters stay where they
        are; past MOST_PASSED_OVER of them, or MOST_BYTES_PASSED_OVER, no
        further dead letter is looked for. Raises TopicNotFound.
        """
        self._check_known(topic)
        redriven = 0
        unseen = self._storage.statistics(topic).ready
        """Not more: a letter that dies again while this goes on is not sent in circles."""
        passed_over: list[Delivery] = []
        room = MOST_BYTES_PASSED_OVER
        try:
            while len(passed_over) <= MOST_PASSED_OVER and room > 0:
                wanted = unseen if limit is None else min(unseen, limit - redriven)
                taken, expired = self._take(topic, wanted)
                if not taken and not expired:
                    break
                dead = [each for each in taken if each.message.extras.origin is not None]
                others = [each for each in taken if each.message.extras.origin is None]
                passed_over += others
                room -= sum(len(each.message.body) for each in others)
                self._storage.settle(dead, REDRIVE)
                redriven += len(dead)
                unseen -= len(taken) + expired
                await asyncio.sleep(0)
        finally:
            self._storage.settle(passed_over, REDRIVE)
        self._observers.tell(Redriven(topic, redriven))
        return redriven

    def _take(self, topic: str, wanted: int) -> tuple[Sequence[Delivery], int]:
        """Take what is first, as much as is good for one turn; say how many had expired."""
        if wanted <= 0:
            return (), 0
        limit, now = min(wanted, _REDRIVEN_A_TURN), self._broker.clock.now()
        expired = self._storage.statistics(topic).expired
        taken = self._storage.lease(topic, limit, _REDRIVEN_BYTES_A_TURN, now)
        return taken, self._storage.statistics(topic).expired - expired

    async def _set(self, topic: str, policy: TopicPolicy) -> None:
        await self._storage.set_policy(topic, policy)
        self._observers.tell(PolicySet(topic, policy))

    def _check_known(self, topic: str) -> None:
        if not self._storage.knows(topic):
            raise TopicNotFound(topic)

    def _check_dead_letters(self, topic: str, policy: TopicPolicy) -> None:
        dead_letters = policy.dead_letter_of(topic)
        try:
            check_topic_name(dead_letters)
        except BadTopicName as error:
            raise Contradiction(
                f"the dead-letter topic of {topic!r} cannot be: {error}; set deadLetter"
            ) from None
        seen = {topic: None}
        # Followed also where nobody named one, until a name would be too long:
        # x.dead is where dead letters of x go, whether or not there are any yet.
        while len(dead_letters.encode()) <= LONGEST_NAME_BYTES:
            if dead_letters in seen:
                chain = " -> ".join(repr(each) for each in (*seen, dead_letters))
                raise Contradiction(f"deadLetter makes a circle: {chain}; name another topic")
            seen[dead_letters] = None
            dead_letters = self._storage.policy(dead_letters).dead_letter_of(dead_letters)
