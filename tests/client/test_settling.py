"""The verbs of a delivery: what each does to the message, and how they travel."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from miniqueue_py.client import Client, Delivery
from miniqueue_py.client.errors import AlreadySettled
from miniqueue_py.errors import BadParameter, LeaseExpired
from tests.client.cases import case
from tests.client.proxy import Proxy
from tests.client.waiting import PATIENCE, publish_all, take, wait_counts

pytestmark = pytest.mark.anyio

MANY = 2000


async def test_ack_removes_the_message(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic) as deliveries:
        delivery = await deliveries.receive()
        await delivery.ack()

        assert delivery.is_settled
        await wait_counts(queue, topic, ready=0, in_flight=0, acknowledged=1)


async def test_nack_gives_back_to_the_front(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, b"1", b"2")
    async with queue.subscribe(topic, credit=1) as deliveries:
        await (await deliveries.receive()).nack()
        again = await deliveries.receive()

        assert (again.body, again.attempt) == (b"1", 2)


async def test_back_gives_back_behind_all_that_wait(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, b"1", b"2")
    async with queue.subscribe(topic, credit=1) as deliveries:
        await (await deliveries.receive()).back()
        second = await deliveries.receive()
        await second.ack()
        again = await deliveries.receive()

        assert (second.body, again.body, again.attempt) == (b"2", b"1", 2)


async def test_dack_sets_aside_and_counts(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, b"1", b"2")
    async with queue.subscribe(topic, credit=1) as deliveries:
        await (await deliveries.receive()).dack(3600)
        assert (await deliveries.receive()).body == b"2"
        await wait_counts(queue, topic, delayed=1)


async def test_dack_counts(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic) as deliveries:
        await (await deliveries.receive()).dack(0)
        again = await deliveries.receive()

        assert (again.dack_count, again.attempt) == (1, 2)


async def test_release_counts_no_attempt(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic) as deliveries:
        await (await deliveries.receive()).release()

        assert (await deliveries.receive()).attempt == 1


async def test_dead_sends_it_to_the_dead_letters(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic) as deliveries:
        await (await deliveries.receive()).dead()

    async with queue.subscribe(f"{topic}.dead") as dead_letters:
        with anyio.fail_after(PATIENCE):
            letter = await dead_letters.receive()

    assert letter.body == b"1"
    assert letter.origin is not None
    assert (letter.origin.topic, letter.origin.reason, letter.origin.attempts) == (topic, "DEAD", 1)


async def test_a_dack_that_cannot_be_is_refused_before_it_is_sent(
    queue: Client, topic: str
) -> None:
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic) as deliveries:
        delivery = await deliveries.receive()
        for seconds in (-1, float("nan"), float("inf"), 2**31):
            with case(seconds), pytest.raises(BadParameter, match="seconds"):
                await delivery.dack(seconds)

        assert not delivery.is_settled
        await delivery.ack()
    await wait_counts(queue, topic, acknowledged=1)


async def test_settled_twice_is_an_error_and_the_first_holds(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic) as deliveries:
        delivery = await deliveries.receive()
        await delivery.ack()

        for again in (delivery.ack, delivery.nack, delivery.dead, delivery.touch):
            with pytest.raises(AlreadySettled, match="settle each delivery once"):
                await again()

    await wait_counts(queue, topic, ready=0, in_flight=0, acknowledged=1)


async def test_an_expiry_that_has_come_is_known_when_it_is_settled(
    queue: Client, topic: str
) -> None:
    """Though nobody has received since."""
    await queue.publish(topic, b"1")
    async with queue.subscribe(topic, lease=0.02) as deliveries:
        late = await deliveries.receive()
        await wait_until_expired(late)

        with pytest.raises(LeaseExpired):
            await late.ack()
        assert not late.is_settled


async def wait_until_expired(late: Delivery) -> None:
    """Touch it until that is refused: nothing is received."""
    with anyio.fail_after(PATIENCE):
        while True:
            await anyio.sleep(0.05)
            try:
                await late.touch()
            except LeaseExpired:
                return


async def test_what_comes_while_one_settles_is_received_in_order(queue: Client, topic: str) -> None:
    bodies = [b"%d" % number for number in range(50)]
    received = []
    async with queue.subscribe(topic, credit=10, lease=60) as deliveries:
        await publish_all(queue, topic, *bodies)
        with anyio.fail_after(PATIENCE):
            async for delivery in deliveries:
                received.append(delivery.body)
                await anyio.sleep(0.001)
                await delivery.touch()
                await delivery.ack()
                if len(received) == len(bodies):
                    break

    assert received == bodies


async def test_who_waits_is_woken_by_what_another_task_saw_first(queue: Client, topic: str) -> None:
    """The one that settles takes what has come, before the one that waits for it runs."""
    await queue.publish(topic, b"1")
    got: list[Delivery] = []

    async with queue.subscribe(topic, lease=60) as deliveries:
        held = await deliveries.receive()

        async def touch() -> None:
            while not got:
                await held.touch()
                await checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(touch)
            with anyio.fail_after(PATIENCE):
                await queue.publish(topic, b"2")
                got.append(await deliveries.receive())

    assert got[0].body == b"2"


async def test_what_came_unseen_while_one_settled_is_given_back(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, b"1", b"2", b"3")
    async with queue.subscribe(topic, lease=60) as deliveries:
        held = await deliveries.receive()
        await wait_counts(queue, topic, in_flight=3)
        await held.touch()
        await held.ack()

    await wait_counts(queue, topic, in_flight=0, ready=2)
    assert await attempts(queue, topic, 2) == [1, 1]


async def attempts(queue: Client, topic: str, count: int) -> list[int]:
    async with queue.subscribe(topic) as deliveries:
        return [(await deliveries.receive()).attempt for _ in range(count)]


async def test_deliveries_are_settled_in_any_order(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, *[b"%d" % number for number in range(100)])
    async with queue.subscribe(topic) as deliveries:
        held = [await deliveries.receive() for _ in range(100)]
        for delivery in [*held[50::2], *reversed(held[:50:2]), *held[1:50:2]]:
            await delivery.ack()
        for delivery in held[51::2]:
            await delivery.nack()

        await wait_counts(queue, topic, acknowledged=75)
    assert sorted(await take(queue, topic, 25)) == sorted(each.body for each in held[51::2])


async def test_each_delivery_gets_its_own_verb_however_they_are_mixed(
    queue: Client, topic: str
) -> None:
    await publish_all(queue, topic, *[b"%d" % number for number in range(60)])
    async with queue.subscribe(topic) as deliveries:
        held = [await deliveries.receive() for _ in range(60)]
        for number, delivery in enumerate(held):
            await (delivery.ack, delivery.dead, lambda each=delivery: each.dack(3600))[number % 3]()

        await wait_counts(queue, topic, acknowledged=20, dead_lettered=20, delayed=20)
    dead = await take(queue, f"{topic}.dead", 20)
    assert sorted(dead) == sorted(each.body for each in held[1::3])


async def test_settlements_in_a_row_travel_together(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    await publish_all(queue, topic, *[b"%d" % number for number in range(MANY)])
    async with far_queue.subscribe(topic, credit=MANY) as deliveries:
        held = [await deliveries.receive() for _ in range(MANY)]
        before = proxy.bytes_up
        for delivery in held:
            await delivery.ack()
        await wait_counts(queue, topic, acknowledged=MANY)

    assert proxy.bytes_up - before < MANY


async def test_what_was_settled_is_heard_when_the_block_is_left(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, *[b"%d" % number for number in range(100)])
    async with queue.subscribe(topic) as deliveries:
        for _ in range(100):
            await (await deliveries.receive()).ack()

    assert (await queue.topic(topic)).acknowledged == 100


async def test_what_was_settled_is_heard_when_the_block_is_left_by_an_error(
    queue: Client, topic: str
) -> None:
    await publish_all(queue, topic, *[b"%d" % number for number in range(100)])

    async def fail() -> None:
        async with queue.subscribe(topic) as deliveries:
            for _ in range(100):
                await (await deliveries.receive()).ack()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    await wait_counts(queue, topic, acknowledged=100, ready=0)


async def test_what_was_settled_is_heard_when_the_client_is_closed_at_once(
    queue: Client, url: str, ca: str, topic: str
) -> None:
    await publish_all(queue, topic, *[b"%d" % number for number in range(100)])
    async with Client(url, ca=ca) as other, other.subscribe(topic) as deliveries:
        for _ in range(100):
            await (await deliveries.receive()).ack()

    assert (await queue.topic(topic)).acknowledged == 100
