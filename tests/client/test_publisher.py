"""A stream of messages: in order, confirmed, held back, and resumed where it was."""

from functools import partial
from pathlib import Path

import anyio
import pytest

from miniqueue_py.client import Client, Publisher
from miniqueue_py.client.errors import Forgotten
from miniqueue_py.errors import BadRequest, Contradiction, TopicFull
from tests.client.proxy import Proxy
from tests.client.waiting import publish_all, take, wait_counts, wait_until
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

MANY = 5000

LARGE = b"x" * 100_000
MOST_HELD = 64 << 20
"""Far more than a publisher holds back, and than all buffers on the way."""


def has_confirmed_more(publisher: Publisher, count: int) -> bool:
    return publisher.confirmed > count


def numbers(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


async def test_messages_keep_their_order_and_all_are_confirmed(queue: Client, topic: str) -> None:
    async with queue.publisher(topic) as publisher:
        for body in numbers(MANY):
            await publisher.send(body)
        await publisher.flush()

        assert (publisher.sent, publisher.confirmed) == (MANY, MANY)

    assert await take(queue, topic, MANY) == numbers(MANY)


async def test_leaving_the_block_waits_for_the_last_confirm(queue: Client, topic: str) -> None:
    async with queue.publisher(topic) as publisher:
        for body in numbers(100):
            await publisher.send(body)

    assert publisher.confirmed == 100
    assert (await queue.topic(topic)).published == 100


async def test_a_publisher_may_send_nothing(queue: Client, topic: str) -> None:
    async with queue.publisher(topic) as publisher:
        await publisher.flush()

    assert (publisher.sent, publisher.confirmed) == (0, 0)


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param([b"", b"\n", b"a\nb", b"", b"\r"], id="line ends"),
        pytest.param([bytes(range(256)), b"plain", b"\xff\n"], id="every byte"),
        pytest.param([b"x" * (1 << 20), b"", b"\n" * (1 << 20)], id="as long as may be"),
    ],
)
async def test_any_bytes_are_a_message(queue: Client, topic: str, bodies: list[bytes]) -> None:
    await publish_all(queue, topic, *bodies)

    assert await take(queue, topic, len(bodies)) == bodies


async def test_terms_of_the_publisher_are_those_of_its_messages(queue: Client, topic: str) -> None:
    async with queue.publisher(topic, priority=5, delay=0.05) as publisher:
        await publisher.send(b"one")
        await publisher.send(b"first", priority=9)
        await publisher.send(b"two")

    await wait_counts(queue, topic, ready=3)
    async with queue.subscribe(topic) as deliveries:
        seen = [await deliveries.receive() for _ in range(3)]
    assert (seen[0].priority, seen[0].body) == (9, b"first")
    assert {(each.priority, each.body) for each in seen[1:]} == {(5, b"one"), (5, b"two")}


async def test_terms_of_a_message_are_its_own(queue: Client, topic: str) -> None:
    async with queue.publisher(topic) as publisher:
        await publisher.send(b"gone", ttl=0.05)
        await publisher.send(b"late", delay=3600)
        await publisher.send(b"now")

    await wait_counts(queue, topic, ready=1, delayed=1, expired=1)


async def test_a_key_stores_one_message_however_often_it_is_sent(queue: Client, topic: str) -> None:
    async with queue.publisher(topic) as publisher:
        for _ in range(3):
            await publisher.send(b"once", key="k")

    assert publisher.confirmed == 3
    assert (await queue.topic(topic)).published == 1


async def test_what_was_sent_is_published_without_being_asked_for(
    queue: Client, topic: str
) -> None:
    async with queue.publisher(topic) as publisher:
        await publisher.send(b"1")

        await wait_counts(queue, topic, published=1)
        await wait_until(lambda: publisher.confirmed == 1, "a confirm")


async def test_a_publisher_waits_when_too_much_is_not_confirmed(
    far_queue: Client, proxy: Proxy, topic: str
) -> None:
    sent = 0

    async def send_until_told() -> None:
        nonlocal sent
        async with far_queue.publisher(topic) as publisher:
            while sent < MOST_HELD:
                await publisher.send(LARGE)
                sent += len(LARGE)

    async with anyio.create_task_group() as tasks:
        proxy.stall("up")
        tasks.start_soon(send_until_told)
        before = -1
        with anyio.fail_after(10):
            while before != sent:
                before = sent
                await anyio.sleep(0.1)

        assert 0 < sent < MOST_HELD
        tasks.cancel_scope.cancel()
        proxy.cut()


async def test_an_error_inside_the_block_waits_for_nothing(
    far_queue: Client, proxy: Proxy, topic: str
) -> None:
    async def fail() -> None:
        async with far_queue.publisher(topic) as publisher:
            await publisher.send(b"1")
            raise ZeroDivisionError

    proxy.stall()
    with anyio.fail_after(1), pytest.raises(ZeroDivisionError):
        await fail()
    proxy.cut()


async def test_a_stream_that_is_cut_goes_on_where_the_broker_is(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    """Nothing is doubled, nothing is lost, nothing is out of order."""
    async with far_queue.publisher(topic) as publisher:
        for harm in (proxy.reset, proxy.cut, proxy.reset):
            before = publisher.sent
            for number in range(before, before + 1000):
                await publisher.send(b"%d" % number)
            await wait_until(partial(has_confirmed_more, publisher, before), "a confirm")
            harm()

    assert publisher.confirmed == 3000
    assert (await queue.topic(topic)).published == 3000
    assert await take(queue, topic, 3000) == numbers(3000)


async def test_what_was_stored_and_not_confirmed_is_not_sent_again(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    async with far_queue.publisher(topic) as publisher:
        await publisher.send(b"first")
        await publisher.flush()
        proxy.stall("down")
        for body in numbers(100):
            await publisher.send(body)
        await wait_counts(queue, topic, published=101)

        proxy.reset()

    assert (await queue.topic(topic)).published == 101
    assert await take(queue, topic, 101) == [b"first", *numbers(100)]


async def test_a_stream_goes_on_when_it_turns_from_text_to_json_between_two_connections(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    bodies = [b"%d" % number if number % 100 else b"%d\n" % number for number in range(1, 1001)]
    async with far_queue.publisher(topic) as publisher:
        for number, body in enumerate(bodies):
            await publisher.send(body)
            if number % 300 == 250:
                proxy.reset()

    assert await take(queue, topic, len(bodies)) == bodies
    assert (await queue.topic(topic)).published == len(bodies)


async def test_a_stream_that_the_broker_forgot_is_an_error_at_once(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    """Nobody knows what of it is stored: to send it again might store it twice."""

    async def publish() -> None:
        async with far_queue.publisher(topic) as publisher:
            await publisher.send(b"1")
            await publisher.flush()
            proxy.stall("down")
            await publisher.send(b"2")
            await wait_counts(queue, topic, published=2)
            await queue.delete(topic)
            proxy.reset()

    with anyio.fail_after(5), pytest.raises(Forgotten, match="may or may not be stored"):
        await publish()


async def test_a_stream_outlives_kill_9_of_the_broker(
    own_broker: RunningBroker, ca: Path, topic: str
) -> None:
    with Proxy(own_broker.port) as proxy:
        async with Client(proxy.url, ca=ca) as queue:
            async with queue.publisher(topic) as publisher:
                for body in numbers(2000):
                    await publisher.send(body)
                await wait_until(lambda: publisher.confirmed > 0, "a confirm")

                own_broker.kill()
                await anyio.to_thread.run_sync(own_broker.start)
                proxy.aim(own_broker.port)
                for number in range(2000, 2500):
                    await publisher.send(b"%d" % number)

            assert (await queue.topic(topic)).published == 2500
            assert await take(queue, topic, 2500) == numbers(2500)


async def test_a_full_topic_is_waited_for(queue: Client, topic: str) -> None:
    await queue.set_policy(topic, {"maxMessages": 50})

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish_all, queue, topic, *numbers(100))

            assert await take(queue, topic, 100) == numbers(100)

    assert (await queue.topic(topic)).published == 100


async def test_a_full_topic_is_an_error_for_who_does_not_wait(
    url: str, ca: Path, topic: str
) -> None:
    async with Client(url, ca=ca, wait_when_full=False) as queue:
        await queue.set_policy(topic, {"maxMessages": 3})

        with pytest.raises(TopicFull, match="maxMessages is 3"):
            await publish_all(queue, topic, *numbers(10))

        assert (await queue.topic(topic)).published == 3


async def test_what_is_refused_ends_the_stream_with_its_error(queue: Client, topic: str) -> None:
    """What was sent before it is stored; it and what follows is not."""
    publisher = queue.publisher(topic)

    async def publish() -> None:
        async with publisher:
            await publisher.send(b"good")
            await publisher.send(b"never", delay=60, ttl=1)
            await publisher.send(b"not any more")

    with pytest.raises((Contradiction, BadRequest), match="outlasts"):
        await publish()

    assert (await queue.topic(topic)).published == 1
    assert publisher.confirmed == 1


async def test_publishers_share_a_connection(far_queue: Client, proxy: Proxy, topic: str) -> None:
    names = [f"{topic}-{number}" for number in range(20)]

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(publish_all, far_queue, name, *numbers(100))

    for name in names:
        assert (await far_queue.topic(name)).published == 100
    assert proxy.accepted == 1
