"""Deliveries: what they tell, how many there are at once, and where they go in the end."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from miniqueue_py.client import Client, Delivery
from miniqueue_py.client.errors import DeliveryLost
from miniqueue_py.errors import LeaseExpired
from tests.client.proxy import Proxy
from tests.client.waiting import PATIENCE, publish_all, take, wait_counts, wait_until
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

A_WINDOW_FULL = 8_000_000

NUMBERS = [b"%d" % number for number in range(300)]


async def test_deliveries_come_in_the_order_of_publishing(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, *NUMBERS)
    bodies = []

    async with queue.subscribe(topic, credit=50) as deliveries:
        async for delivery in deliveries:
            bodies.append(delivery.body)
            await delivery.ack()
            if len(bodies) == len(NUMBERS):
                break

    assert bodies == NUMBERS


async def test_a_delivery_tells_what_is_known_of_it(queue: Client, topic: str) -> None:
    receipt = await queue.publish(topic, "Grüße", priority=3)

    async with queue.subscribe(topic) as deliveries:
        delivery = await deliveries.receive()

        assert delivery.topic == topic
        assert delivery.body == "Grüße".encode()
        assert delivery.text == "Grüße"
        assert (delivery.id, delivery.attempt, delivery.dack_count) == (1, 1, 0)
        assert delivery.message_id == receipt.message_id
        assert delivery.priority == 3
        assert delivery.origin is None
        states = (delivery.is_settled, delivery.is_lost, delivery.is_expired)
        assert states == (False, False, False)
        assert delivery.published_at is not None
        assert abs(datetime.now(UTC) - delivery.published_at) < timedelta(seconds=30)


async def test_a_delivery_as_a_line_can_be_published_again(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"again\n", priority=3)

    async with queue.subscribe(topic) as deliveries:
        delivery = await deliveries.receive()

    assert delivery.line.endswith(b"}\n")
    assert b'"msg":"YWdhaW4K"' in delivery.line
    assert b'"priority":3' in delivery.line


async def test_a_delivery_that_comes_first_waits_for_nobody(queue: Client, topic: str) -> None:
    """A message that is published later is delivered at once."""
    async with queue.subscribe(topic) as deliveries:
        assert deliveries.receive_nowait() is None
        await queue.publish(topic, b"1")
        with anyio.fail_after(PATIENCE):
            assert (await deliveries.receive()).body == b"1"


async def test_no_more_than_the_credit_is_in_flight(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, *NUMBERS[:10])

    async with queue.subscribe(topic, credit=3) as deliveries:
        held = [await deliveries.receive() for _ in range(3)]
        await wait_counts(queue, topic, in_flight=3, ready=7)
        assert deliveries.receive_nowait() is None

        await held[0].ack()

        assert (await deliveries.receive()).body == b"3"
        await wait_counts(queue, topic, in_flight=3, ready=6)


async def test_many_are_received_at_once(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, *NUMBERS)
    seen: list[Delivery] = []

    async with queue.subscribe(topic, credit=300) as deliveries:
        while len(seen) < 300:
            some = await deliveries.receive_many(7)
            assert 1 <= len(some) <= 7
            seen += some

    assert [delivery.body for delivery in seen] == NUMBERS


async def test_what_is_here_already_is_received_without_a_wait(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, *NUMBERS[:3])
    bodies: list[bytes] = []

    async with queue.subscribe(topic) as deliveries:

        def has_all() -> bool:
            while (delivery := deliveries.receive_nowait()) is not None:
                bodies.append(delivery.body)
            return len(bodies) == 3

        await wait_until(has_all, "three deliveries")

    assert bodies == NUMBERS[:3]


async def test_what_was_not_settled_goes_back_when_the_block_is_left(
    queue: Client, topic: str
) -> None:
    await publish_all(queue, topic, b"1", b"2", b"3")
    async with queue.subscribe(topic) as deliveries:
        first, second = await deliveries.receive(), await deliveries.receive()
        await second.ack()

    assert first.is_lost
    with pytest.raises(DeliveryLost):
        await first.ack()
    await wait_counts(queue, topic, ready=2, in_flight=0, acknowledged=1)
    async with queue.subscribe(topic) as deliveries:
        again = await deliveries.receive()
    assert (again.body, again.attempt) == (b"1", 2)


async def test_an_error_in_the_block_gives_back_what_was_not_settled(
    queue: Client, topic: str
) -> None:
    await publish_all(queue, topic, b"1", b"2")

    async def fail() -> None:
        async with queue.subscribe(topic) as deliveries:
            await (await deliveries.receive()).ack()
            await deliveries.receive()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    await wait_counts(queue, topic, ready=1, in_flight=0, acknowledged=1)


async def test_more_than_a_window_full_goes_back_after_an_error(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    """What came and was never read must not keep the stream from its end."""
    await publish_all(queue, topic, *[b"x" * 900_000] * 20)

    async def fail() -> None:
        async with far_queue.subscribe(topic) as deliveries:
            await deliveries.receive()
            await wait_until(lambda: proxy.bytes_down > A_WINDOW_FULL, "a full window")
            raise ZeroDivisionError

    with anyio.fail_after(PATIENCE), pytest.raises(ZeroDivisionError):
        await fail()

    await wait_counts(queue, topic, ready=20, in_flight=0)


async def test_a_slow_consumer_does_not_hold_back_the_others(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    """The window of one stream is full, on the connection that the others use too."""
    await publish_all(queue, topic, *[b"x" * 900_000] * 20)

    async with far_queue.subscribe(topic) as slow:
        await slow.receive()
        await wait_until(lambda: proxy.bytes_down > A_WINDOW_FULL, "a full window")

        await far_queue.publish(f"{topic} other", b"1")
        assert await take(far_queue, f"{topic} other", 1) == [b"1"]
    assert proxy.accepted == 1


async def test_subscriptions_of_one_topic_share_its_messages(queue: Client, topic: str) -> None:
    seen: list[bytes] = []

    async def consume() -> None:
        async with queue.subscribe(topic, credit=5) as deliveries:
            async for delivery in deliveries:
                seen.append(delivery.body)
                await delivery.ack()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(consume)
            await publish_all(queue, topic, *NUMBERS)
            await wait_counts(queue, topic, acknowledged=300)
            tasks.cancel_scope.cancel()

    assert sorted(seen) == sorted(NUMBERS)


async def test_tasks_may_receive_from_one_subscription_at_once(queue: Client, topic: str) -> None:
    seen: list[bytes] = []

    async with queue.subscribe(topic, credit=20) as deliveries:

        async def consume() -> None:
            async for delivery in deliveries:
                await anyio.lowlevel.checkpoint()
                seen.append(delivery.body)
                await delivery.ack()

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(consume)
                await publish_all(queue, topic, *NUMBERS)
                await wait_counts(queue, topic, acknowledged=300)
                tasks.cancel_scope.cancel()

    assert sorted(seen) == sorted(NUMBERS)


async def test_a_subscription_comes_back_when_its_connection_is_lost(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    await publish_all(queue, topic, b"1", b"2")
    async with far_queue.subscribe(topic, credit=1) as deliveries:
        held = await deliveries.receive()

        proxy.reset()
        with anyio.fail_after(PATIENCE):
            again = await deliveries.receive()

        assert (again.body, again.attempt) == (b"1", 2)
        assert held.is_lost
        assert not again.is_lost
        with pytest.raises(DeliveryLost, match="comes again"):
            await held.ack()
        await again.ack()
        assert (await deliveries.receive()).body == b"2"


async def test_a_subscription_comes_back_when_the_broker_was_away_for_a_while(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    async with far_queue.subscribe(topic) as deliveries, anyio.create_task_group() as tasks:

        async def come_back() -> None:
            await queue.publish(topic, b"1")
            await anyio.sleep(0.2)
            proxy.accept()

        proxy.refuse()
        proxy.reset()
        tasks.start_soon(come_back)
        with anyio.fail_after(PATIENCE):
            assert (await deliveries.receive()).body == b"1"


async def test_a_lease_that_runs_out_is_told_to_who_settles(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic, lease=0.05) as deliveries:
        slow = await deliveries.receive()
        with anyio.fail_after(PATIENCE):
            again = await deliveries.receive()

        assert (again.message_id, again.attempt) == (slow.message_id, 2)
        assert slow.is_expired
        with pytest.raises(LeaseExpired):
            await slow.ack()


async def test_a_touched_lease_does_not_run_out(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic, lease=0.2) as deliveries:
        held = await deliveries.receive()
        for _ in range(8):
            await anyio.sleep(0.05)
            await held.touch()

        assert deliveries.receive_nowait() is None
        assert not held.is_expired
        await held.ack()

    await wait_counts(queue, topic, acknowledged=1, delivered=1)


@pytest.mark.parametrize("credit", [10, 300])
async def test_what_nobody_saw_has_lost_no_attempt_when_a_subscription_is_left(
    queue: Client, topic: str, credit: int
) -> None:
    await queue.set_policy(topic, {"maxDeliveries": 1})
    await publish_all(queue, topic, *NUMBERS)

    async with queue.subscribe(topic, credit=credit) as deliveries:
        delivery = await deliveries.receive()
        await delivery.ack()

    seen = await wait_counts(queue, topic, ready=len(NUMBERS) - 1, in_flight=0, consumers=0)
    assert seen.dead_lettered == 0


async def test_what_nobody_saw_has_lost_no_attempt_when_a_subscription_is_left_by_an_error(
    queue: Client, topic: str
) -> None:
    await queue.set_policy(topic, {"maxDeliveries": 1})
    await publish_all(queue, topic, *NUMBERS)

    async def stumble() -> None:
        async with queue.subscribe(topic, credit=100) as deliveries:
            await deliveries.receive_many(10)
            await wait_counts(queue, topic, in_flight=100)
            raise KeyError

    with pytest.raises(KeyError):
        await stumble()

    seen = await wait_counts(queue, topic, in_flight=0, consumers=0)
    assert (seen.dead_lettered, seen.ready) == (10, len(NUMBERS) - 10)


async def test_a_subscription_says_when_it_is_away_and_when_it_is_back(
    far_queue: Client, proxy: Proxy, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="miniqueue.client")
    async with far_queue.subscribe(topic) as deliveries:
        proxy.reset()
        await far_queue.publish(topic, b"1")
        await (await deliveries.receive()).ack()

    away, back = [record.getMessage() for record in caplog.records]
    assert away == (
        f"subscription to {topic!r} is away: the connection was lost (Connection reset by peer)"
    )
    assert back == f"subscribed to {topic!r} again"


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        (RunningBroker.terminate, "the broker is being stopped (draining)"),
        (RunningBroker.kill, "the connection was lost (the broker closed it)"),
    ],
    ids=["terminated", "killed"],
)
async def test_a_subscription_says_why_the_broker_is_away(  # noqa: PLR0913, PLR0917  two ways
    own_broker: RunningBroker,
    ca: Path,
    topic: str,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[RunningBroker], None],
    cause: str,
) -> None:
    async with (
        Client(f"https://localhost:{own_broker.port}", ca=ca) as queue,
        anyio.create_task_group() as tasks,
        queue.subscribe(topic) as deliveries,
    ):
        tasks.start_soon(deliveries.receive)
        await anyio.wait_all_tasks_blocked()
        harm(own_broker)
        await wait_until(lambda: bool(caplog.records), "a word of it")
        tasks.cancel_scope.cancel()
    own_broker.wait()

    assert [record.getMessage() for record in caplog.records] == [
        f"subscription to {topic!r} is away: {cause}"
    ]


@pytest.mark.parametrize("is_of_policy", [True, False], ids=["policy", "own"])
async def test_what_waits_for_a_slow_handler_does_not_expire_unseen(
    queue: Client, topic: str, *, is_of_policy: bool
) -> None:
    lease = 1.5  # renewed three times in it: what a busy machine takes away is less
    await queue.set_policy(topic, {"maxDeliveries": 1, "lease": lease if is_of_policy else None})
    await publish_all(queue, topic, *NUMBERS[:3])

    async with queue.subscribe(topic, lease=None if is_of_policy else lease) as deliveries:
        for expected in NUMBERS[:3]:
            delivery = await deliveries.receive()
            await anyio.sleep(lease / 2)  # a handler at work
            assert delivery.body == expected
            await delivery.ack()

    seen = await wait_counts(queue, topic, in_flight=0, ready=0)
    assert (seen.acknowledged, seen.dead_lettered) == (3, 0)
