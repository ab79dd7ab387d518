"""Who adds to a batch, and what is counted."""

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.batches import BatchWriter
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.errors import BatchTakenOver, TopicFull
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import nothing

pytestmark = pytest.mark.anyio


async def add(broker: Broker, writer: BatchWriter, *bodies: bytes) -> None:
    await broker.publish("orders", [Publication(bodies)], writer)


async def test_writer_that_was_told_to_give_way_can_store_nothing_more(
    broker: Broker, storage: MemoryStorage, clock: ManualClock
) -> None:
    told: list[str] = []
    with broker.batches.go_on("orders", "k", lambda: told.append("older")) as older:
        await add(broker, older, b"1", b"2")
        with broker.batches.go_on("orders", "k", nothing) as newer:
            assert told == ["older"]
            with pytest.raises(BatchTakenOver):
                await add(broker, older, b"3")

            assert await newer.wait_count() == 2
            await add(broker, newer, b"3")

    assert storage.statistics("orders").published == 3
    assert await storage.batch_count("orders", "k", clock.now()) == 3


async def test_newer_writer_keeps_the_batch_when_the_older_one_leaves(broker: Broker) -> None:
    older = broker.batches.go_on("orders", "k", nothing)
    older.__enter__()
    with broker.batches.go_on("orders", "k", nothing) as newer:
        older.__exit__(None, None, None)
        with broker.batches.go_on("orders", "k", nothing), pytest.raises(BatchTakenOver):
            await add(broker, newer, b"1")


@pytest.mark.parametrize(("topic", "key"), [("orders", "K"), ("other", "k")])
async def test_batch_of_another_key_or_topic_takes_nothing_over(
    broker: Broker, topic: str, key: str
) -> None:
    with (
        broker.batches.go_on("orders", "k", nothing) as first,
        broker.batches.go_on(topic, key, nothing),
    ):
        await add(broker, first, b"1")

        assert await first.wait_count() == 1


async def test_what_is_refused_is_not_counted(
    broker: Broker, administration: Administration
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_messages=2))
    with broker.batches.go_on("orders", "k", nothing) as writer:
        await add(broker, writer, b"1")
        with pytest.raises(TopicFull):
            await add(broker, writer, b"2", b"3")
        await add(broker, writer, b"2")

        assert await writer.wait_count() == 2
