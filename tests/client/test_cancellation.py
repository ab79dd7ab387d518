"""Cancelled at every await there is: nothing leaks, nothing hangs, messages go back.

Each scenario is run again and again, cancelled one suspension later each time,
until it gets through. Behind each run the client has to be as good as new.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest

from miniqueue_py.client import Client, Subscription
from tests.client.checkpoints import Steps, cancel_everywhere
from tests.client.leaks import expect_no_new_task, living_tasks, open_sockets
from tests.client.proxy import Proxy
from tests.client.waiting import PATIENCE, publish_all, take, wait_counts, wait_until

pytestmark = pytest.mark.anyio

Scenario = Callable[[], Awaitable[object]]


async def expect_clean_when_cancelled_anywhere(
    scenario: Scenario, queue: Client, topic: str, least: int
) -> None:
    """Run it, cancelled everywhere; each time the client must work, and nothing be in flight."""

    async def work() -> None:
        await scenario()

    async def check() -> None:
        await queue.publish(f"{topic} other", b"still here")
        await wait_counts(queue, topic, in_flight=0, consumers=0)

    with anyio.fail_after(30):
        assert await cancel_everywhere(work, check) >= least


async def test_a_publish_may_be_cancelled_anywhere(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"0")

    await expect_clean_when_cancelled_anywhere(lambda: queue.publish(topic, b"1"), queue, topic, 2)


@pytest.mark.parametrize("answered", [1, 99])
async def test_publishes_under_way_may_be_cancelled_together(
    queue: Client, topic: str, answered: int
) -> None:
    """What had an answer is stored, what had none may be; nothing is stored twice."""
    count = 0
    async with anyio.create_task_group() as tasks:

        async def publish(body: bytes) -> None:
            nonlocal count
            await queue.publish(topic, body)
            count += 1
            if count >= answered:
                tasks.cancel_scope.cancel()

        for number in range(100):
            tasks.start_soon(publish, b"%d" % number)

    await queue.publish(f"{topic} other", b"still here")
    told = await queue.topic(topic)
    assert count <= told.published <= 100
    bodies = await take(queue, topic, told.ready)
    assert len(set(bodies)) == len(bodies)


async def test_a_publisher_may_be_cancelled_anywhere(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"0")

    async def scenario() -> None:
        async with queue.publisher(topic) as publisher:
            await publisher.send(b"1")
            await publisher.flush()
            await publisher.send(b"2\n")
            await publisher.send_many([b"3"] * 1000)

    await expect_clean_when_cancelled_anywhere(scenario, queue, topic, 3)


async def test_a_publisher_that_is_cancelled_behind_its_upload_is_told_that(
    url: str, ca: Path, topic: str
) -> None:
    """The tasks of a client may be cancelled before who uses it comes to its next await."""
    with anyio.CancelScope() as scope:
        async with Client(url, ca=ca) as other, other.publisher(topic) as publisher:
            await publisher.send(b"1")
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await wait_until(lambda: "open" not in repr(publisher), "the upload has ended")

    assert scope.cancelled_caught


async def test_a_subscription_may_be_cancelled_anywhere(queue: Client, topic: str) -> None:
    """The message is in flight with each of them, and goes back each time."""
    await queue.publish(topic, b"1")

    async def scenario() -> None:
        async with queue.subscribe(topic, credit=1) as deliveries:
            delivery = await deliveries.receive()
            await delivery.release()
            [again] = await deliveries.receive_many(5)
            await again.release()

    await expect_clean_when_cancelled_anywhere(scenario, queue, topic, 4)

    assert await take(queue, topic, 1) == [b"1"]


async def test_an_ack_may_be_cancelled_anywhere(queue: Client, topic: str) -> None:
    """Each message is acknowledged once, or there to be acknowledged."""

    async def scenario() -> None:
        await queue.publish(topic, b"1")
        async with queue.subscribe(topic, credit=1) as deliveries:
            delivery = await deliveries.receive()
            await delivery.ack()

    await queue.publish(topic, b"0")
    await expect_clean_when_cancelled_anywhere(scenario, queue, topic, 4)

    told = await queue.topic(topic)
    assert told.acknowledged + told.ready == told.published


async def test_receiving_may_be_cancelled_anywhere_and_tried_again(
    queue: Client, topic: str
) -> None:
    """What a cancelled `receive` did not return comes to the next one."""
    bodies: list[bytes] = []
    published = 0
    async with queue.subscribe(topic, credit=1) as deliveries:

        async def work() -> None:
            for _ in range(3):
                delivery = await deliveries.receive()
                bodies.append(delivery.body)
                await delivery.ack()

        async def publish_three() -> None:
            nonlocal published
            await publish_all(queue, topic, *[b"%d" % (published + each) for each in range(3)])
            published += 3

        async def check() -> None:
            while len(bodies) < published:
                delivery = await deliveries.receive()
                bodies.append(delivery.body)
                await delivery.ack()
            await wait_counts(queue, topic, ready=0, in_flight=0, acknowledged=published)
            await publish_three()

        await publish_three()
        with anyio.fail_after(30):
            assert await cancel_everywhere(work, check) >= 2

    assert bodies == [b"%d" % number for number in range(len(bodies))]


async def test_a_receive_that_is_cancelled_takes_no_message_with_it(
    queue: Client, topic: str
) -> None:
    async with queue.subscribe(topic) as deliveries:
        for number in range(20):
            with anyio.move_on_after(0):
                await deliveries.receive()
            await queue.publish(topic, b"%d" % number)

        bodies = [(await deliveries.receive()).body for _ in range(20)]

    assert bodies == [b"%d" % number for number in range(20)]


async def test_opening_and_closing_a_client_may_be_cancelled_anywhere(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    sockets = open_sockets()
    await queue.publish(topic, b"0")

    async def scenario() -> None:
        async with Client(url, ca=ca) as other:
            await other.publish(topic, b"1")

    await expect_clean_when_cancelled_anywhere(scenario, queue, topic, 10)

    await wait_until(lambda: open_sockets() <= sockets, "all sockets closed")


async def test_a_client_with_all_in_use_may_be_cancelled_anywhere(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    sockets = open_sockets()
    await queue.publish(topic, b"0")

    async def scenario() -> None:
        async with (
            Client(url, ca=ca) as other,
            other.publisher(f"{topic} other") as publisher,
            other.subscribe(topic, credit=1) as deliveries,
        ):
            await publisher.send(b"1")
            await (await deliveries.receive()).release()
            await deliveries.receive()

    await expect_clean_when_cancelled_anywhere(scenario, queue, topic, 10)

    await wait_until(lambda: open_sockets() <= sockets, "all sockets closed")


async def test_who_reconnects_may_be_cancelled_anywhere(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    await queue.publish(topic, b"0")

    async def scenario() -> None:
        proxy.reset()
        await far_queue.publish(f"{topic} other", b"1")
        async with far_queue.subscribe(topic) as deliveries:
            await deliveries.receive()
            proxy.reset()
            await deliveries.receive()

    await expect_clean_when_cancelled_anywhere(scenario, queue, topic, 5)


async def test_waiting_for_a_full_topic_may_be_cancelled(queue: Client, topic: str) -> None:
    await queue.set_policy(topic, {"maxMessages": 1})
    await queue.publish(topic, b"1")

    for _ in range(3):
        with anyio.move_on_after(0.05) as scope:
            await queue.publish(topic, b"2")
        assert scope.cancelled_caught
    assert await take(queue, topic, 1) == [b"1"]
    await wait_counts(queue, topic, ready=0, published=1)


async def test_one_of_many_receivers_may_be_cancelled(queue: Client, topic: str) -> None:
    """The others get what it waited for."""
    async with queue.subscribe(topic, credit=5) as deliveries:
        seen: list[bytes] = []

        async def consume(subscription: Subscription, scope: anyio.CancelScope) -> None:
            with scope:
                async for delivery in subscription:
                    seen.append(delivery.body)
                    await delivery.ack()

        scopes = [anyio.CancelScope() for _ in range(4)]
        async with anyio.create_task_group() as tasks:
            for scope in scopes:
                tasks.start_soon(consume, deliveries, scope)
            for number, scope in enumerate(scopes[:3]):
                await queue.publish(topic, b"%d" % number)
                scope.cancel()
            await wait_counts(queue, topic, acknowledged=3)
            scopes[3].cancel()

    assert sorted(seen) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_asyncio_cancels_leaves_nothing(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    """By Task.cancel, as asyncio.timeout and TaskGroup do it: anyio knows of nothing."""
    await queue.publish(topic, b"0")
    sockets, before = open_sockets(), living_tasks()

    async def scenario() -> None:
        async with Client(url, ca=ca) as other:
            await other.publish(f"{topic} other", b"1")
            async with other.publisher(f"{topic} other") as publisher:
                await publisher.send(b"1")
            async with other.subscribe(topic, credit=1) as deliveries:
                await (await deliveries.receive()).release()
                await deliveries.receive()

    at = 0
    is_through = False
    while not is_through:
        at += 1
        is_through = not await _is_cancelled_at(scenario(), at)
        await expect_no_new_task(before)
        await wait_counts(queue, topic, in_flight=0, consumers=0)
    assert at > 10
    await wait_until(lambda: open_sockets() <= sockets, "all sockets closed")


async def _is_cancelled_at(work: Coroutine[Any, Any, object], at: int) -> bool:
    """Cancel the task of some work at its k-th suspension; say if that ended it."""

    def cancel() -> None:
        # When the task has given control back: a cancellation needs something to interrupt.
        asyncio.get_running_loop().call_soon(task.cancel)

    async def run() -> None:
        await Steps(work, at, cancel)

    task = asyncio.create_task(run())
    await asyncio.wait([task], timeout=PATIENCE)
    assert task.done(), f"cancelled at {at}, and it hangs"
    if not task.cancelled():
        await task
    return task.cancelled()
