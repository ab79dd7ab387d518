"""What is gathered has the fate that it would have had alone, whatever it is."""

import asyncio
from collections import Counter
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.broker.admission import Caps, Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Event, Observers, Published, Refused
from miniqueue_py.broker.gathering import Answer
from miniqueue_py.broker.message import Message, Publication, Stored
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import some_turns

Fate = Stored | str

PUBLICATIONS = st.builds(
    Publication,
    st.sampled_from([(b"",), (b"1",), (b"22",), (b"333",), (b"too long",)]),
    priority=st.sampled_from([0, 0, 0, 7]),
    delay_seconds=st.sampled_from([0.0, 0.0, 0.0, 5.0]),
    ttl_seconds=st.sampled_from([None, None, 4.0, 9.0]),
    key=st.sampled_from([None, None, None, "a", "b"]),
)
FEW = st.none() | st.integers(1, 8)
POLICIES = st.builds(
    TopicPolicy,
    max_messages=FEW,
    max_bytes=FEW,
    ttl=st.sampled_from([None, 4.0, 9.0]),
    dedupe_window=st.sampled_from([0.0, 300.0]),
)
CAPS = st.lists(st.builds(Caps, max_messages=FEW, max_bytes=FEW), min_size=1, max_size=2)


class Place:
    """A broker, and what it told."""

    def __init__(self, most: int) -> None:
        self.storage = MemoryStorage()
        self.facts: list[Event] = []
        self.broker = Broker(
            self.storage,
            ManualClock(),
            limits=Limits(max_message_bytes=5, max_messages=most),
            observers=Observers(self.facts.append),
        )

    @property
    def refused(self) -> Counter[Refused]:
        return Counter(fact for fact in self.facts if isinstance(fact, Refused))

    @property
    def published(self) -> tuple[int, int, int]:
        told = [fact for fact in self.facts if isinstance(fact, Published)]
        return (
            sum(fact.messages for fact in told),
            sum(fact.size for fact in told),
            sum(fact.duplicates for fact in told),
        )

    def waiting(self) -> list[list[Message]]:
        now = self.broker.clock.now()
        return [self.ready(topic, now) for topic in ("t0", "t1")]

    def ready(self, topic: str, now: float) -> list[Message]:
        with self.storage.snapshot(topic, now) as messages:
            return list(messages)


def fate(answer: Answer) -> Fate:
    return answer if isinstance(answer, Stored) else f"{type(answer).__name__}: {answer}"


def note(fates: dict[int, Fate], number: int, answer: Answer) -> None:
    assert number not in fates, "told twice"
    fates[number] = fate(answer)


@given(
    st.lists(st.tuples(PUBLICATIONS, st.integers(0, 1), st.integers(0, 1)), max_size=16),
    POLICIES,
    CAPS,
    st.sampled_from([0, 5]),
)
def test_fate_is_that_of_each_alone(
    said: list[tuple[Publication, int, int]], policy: TopicPolicy, caps: list[Caps], most: int
) -> None:
    if most:  # of topics that compete for the last room, the first that began is first
        said = [(publication, 0, cap) for publication, _, cap in said]

    async def gathered(place: Place) -> list[Fate]:
        await place.storage.set_policy("t0", policy)
        fates: dict[int, Fate] = {}
        for number, (publication, topic, cap) in enumerate(said):
            on_done = partial(note, fates, number)
            place.broker.publish_one(f"t{topic}", publication, on_done, caps[cap % len(caps)])
        await some_turns()
        return [fates[number] for number in range(len(said))]

    async def alone(place: Place) -> list[Fate]:
        await place.storage.set_policy("t0", policy)
        fates: list[Fate] = []
        for publication, topic, cap in said:
            try:
                [stored] = await place.broker.publish(
                    f"t{topic}", [publication], caps=caps[cap % len(caps)]
                )
                fates.append(stored)
            except MiniqueueError as error:
                fates.append(fate(error))
        await some_turns()
        return fates

    together, apart = Place(most), Place(most)
    found = asyncio.run(gathered(together))

    assert found == asyncio.run(alone(apart))
    assert together.waiting() == apart.waiting()
    assert together.published == apart.published
    assert together.refused == apart.refused
