"""Looking at topics and deciding their policies: what operators do."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.delivery import REDRIVE, Redrive
from miniqueue_py.broker.events import Observers, PolicySet, Redriven
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.redriving import ALL_LETTERS, Letters, Redriving
from miniqueue_py.broker.storage import Sight, Storage, TopicStatistics
from miniqueue_py.errors import BadTopicName, Contradiction, TopicNotFound
from miniqueue_py.topic_names import LONGEST_NAME_BYTES, check_topic_name

ENOUGH_PEEKED_BYTES = 1 << 20
"""A look at what comes next shows no further message behind so many bytes of bodies."""

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
        """Name the topics that are known here, in order."""
        return sorted(self._storage.topics())

    async def topics_after(self, name: str | None, limit: int) -> Sequence[str]:
        """Name the first topics behind that name, in order; None is before all.

        What is told of all topics is as it is now. Others have their turn in
        between, however many topics there are. Raises StorageUnavailable.
        """
        await self._storage.refresh()
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

    async def refresh(self, topic: str) -> None:
        """Have told of a topic what is so now, wherever it is kept. Raises StorageUnavailable."""
        await self._storage.refresh(topic)

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
        """Describe a topic, as it was when it was refreshed last. Raises TopicNotFound."""
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
        await self._find(topic)
        await self._set(topic, replace(self._storage.policy(topic), is_paused=True))

    async def resume(self, topic: str) -> None:
        """Deliver again. Raises TopicNotFound."""
        await self._find(topic)
        await self._set(topic, replace(self._storage.policy(topic), is_paused=False))

    async def purge(self, topic: str) -> None:
        """Remove every message of a topic, and keep its policy. Raises TopicNotFound."""
        await self._find(topic)
        await self._broker.purge(topic)

    async def peek(self, topic: str, limit: int) -> Sequence[Message]:
        """Return what would be delivered next, no more behind ENOUGH_PEEKED_BYTES.

        Raises TopicNotFound.
        """
        await self._find(topic)
        return await self._storage.peek(topic, limit, ENOUGH_PEEKED_BYTES, self._broker.clock.now())

    async def look(self, topic: str, state: State, limit: int) -> Sequence[Sight]:
        """Return what is in that state, as `peek` does, in its order; see `Storage.look`.

        Others have their turn in between: what is delayed of all topics lies
        together, and has to be gone through. Raises TopicNotFound.
        """
        await self._find(topic)
        sights: list[Sight] = []
        room = ENOUGH_PEEKED_BYTES
        after = None
        while len(sights) < limit and room > 0:
            now = self._broker.clock.now()
            look = await self._storage.look(topic, state, limit - len(sights), room, now, after)
            sights += look.sights
            room -= sum(len(sight.message.body) for sight in look.sights)
            after = look.next
            if after is None:
                break
            await asyncio.sleep(0)
        return sights

    async def redrive(
        self,
        topic: str,
        limit: int | None = None,
        wanted: Letters = ALL_LETTERS,
        to: Redrive = REDRIVE,
    ) -> int:
        """Return dead letters of this topic to where they came from; say how many.

        Those that are ready now, in their order, to the back, with their
        attempts forgotten; or `to` another topic, which has to exist. Messages
        that are no dead letters stay where they are. Raises TopicNotFound, and
        Contradiction for letters that would go where they are.
        """
        await self._find(topic)
        if to.topic == topic:
            raise Contradiction(f"to names {topic!r}, where the dead letters are already")
        if to.topic is not None:
            await self._find(to.topic)
        redriving = Redriving(self._storage, self._broker.clock, topic, wanted, to)
        redriven = await redriving.run(limit)
        self._observers.tell(Redriven(topic, redriven))
        return redriven

    async def _set(self, topic: str, policy: TopicPolicy) -> None:
        await self._storage.set_policy(topic, policy)
        self._observers.tell(PolicySet(topic, policy))

    async def _find(self, topic: str) -> None:
        await self._storage.refresh(topic)
        self._check_known(topic)

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
