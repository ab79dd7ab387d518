"""One message, one answer; many at once on one connection; none of them twice."""

import time
from pathlib import Path

import anyio
import pytest

from miniqueue_py.client import Client, Receipt
from miniqueue_py.client.errors import NoAnswer
from miniqueue_py.errors import Contradiction, KeyReused, TopicFull
from tests.client.cases import case
from tests.client.proxy import Proxy
from tests.client.waiting import take, wait_counts, wait_until

pytestmark = pytest.mark.anyio

AT_ONCE = 50
MANY = 200

BODIES = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"hello", id="a word"),
    pytest.param(b"two\nlines\r\n", id="lines"),
    pytest.param(bytes(range(256)), id="every byte"),
    pytest.param(b"\xff" * (1 << 20), id="as long as may be"),
]


@pytest.mark.parametrize("body", BODIES)
async def test_what_was_published_is_what_is_delivered(
    queue: Client, topic: str, body: bytes
) -> None:
    receipt = await queue.publish(topic, body)

    async with queue.subscribe(topic) as deliveries:
        delivery = await deliveries.receive()
        await delivery.ack()

    assert delivery.body == body
    assert delivery.message_id == receipt.message_id
    assert not receipt.is_duplicate


async def test_text_is_published_as_utf_8(queue: Client, topic: str) -> None:
    await queue.publish(topic, "Grüße, 日本")

    assert await take(queue, topic, 1) == ["Grüße, 日本".encode()]


async def test_a_topic_may_have_any_name(queue: Client, topic: str) -> None:
    for part in ("a b", "100%", "größe", "a+b", "?x=1", "#", "..", "a&b"):
        name = f"{topic} {part}"
        with case(name):
            await queue.publish(name, b"1")

            assert await take(queue, name, 1) == [b"1"]
            assert (await queue.topic(name)).name == name


async def test_a_key_that_is_known_stores_nothing_and_names_the_first(
    queue: Client, topic: str
) -> None:
    first = await queue.publish(topic, b"1", key="order-17")

    again = await queue.publish(topic, b"1", key="order-17")

    assert again == Receipt(first.message_id, is_duplicate=True)
    with pytest.raises(KeyReused):
        await queue.publish(topic, b"2", key="order-17")
    assert (await queue.topic(topic)).published == 1


async def test_a_key_may_be_any_text(queue: Client, topic: str) -> None:
    first = await queue.publish(topic, b"1", key="Bestellung für 日本: 17")

    again = await queue.publish(topic, b"1", key="Bestellung für 日本: 17")

    assert again.is_duplicate
    assert again.message_id == first.message_id


async def test_a_delayed_message_comes_when_its_time_has_come(queue: Client, topic: str) -> None:
    begun = time.monotonic()
    await queue.publish(topic, b"later", delay=0.2)

    assert await take(queue, topic, 1) == [b"later"]
    assert time.monotonic() - begun >= 0.2


async def test_the_higher_priority_comes_first(queue: Client, topic: str) -> None:
    for priority in (0, 9, 5):
        await queue.publish(topic, b"%d" % priority, priority=priority)

    assert await take(queue, topic, 3, credit=1) == [b"9", b"5", b"0"]


async def test_a_message_is_gone_when_its_ttl_is_over(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"milk", ttl=0.05)

    await wait_counts(queue, topic, ready=0, expired=1)


async def test_terms_that_contradict_each_other_are_refused(queue: Client, topic: str) -> None:
    with pytest.raises(Contradiction, match="outlasts"):
        await queue.publish(topic, b"1", delay=60, ttl=1)


async def test_publishes_at_once_share_one_connection_and_wait_for_no_other(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    """The answers are held back: all the requests are under way without any."""
    proxy.stall("down")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for number in range(AT_ONCE):
                tasks.start_soon(far_queue.publish, topic, b"%d" % number)
            await wait_counts(queue, topic, published=AT_ONCE)

            proxy.resume()

    assert proxy.accepted == 1


async def test_any_number_may_be_published_at_once(
    far_queue: Client, proxy: Proxy, topic: str
) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(MANY):
            tasks.start_soon(far_queue.publish, topic, b"%d" % number)

    assert (await far_queue.topic(topic)).published == MANY
    assert proxy.accepted == 1


async def test_a_publish_without_an_answer_is_repeated_and_not_doubled(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    receipts = []

    async def publish() -> None:
        receipts.append(await far_queue.publish(topic, b"once"))

    proxy.stall("down")
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish)
            await wait_counts(queue, topic, published=1)

            proxy.reset()

    assert proxy.accepted == 2
    assert (await queue.topic(topic)).published == 1
    async with queue.subscribe(topic) as deliveries:
        delivery = await deliveries.receive()
    # It asked under a key of its own, so what the broker had is its own first try.
    assert receipts == [Receipt(delivery.message_id, is_duplicate=False)]


async def test_a_publish_that_came_half_way_is_repeated(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    before = proxy.bytes_up
    body = b"x" * 500_000
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            proxy.trickle(10_000, "up")
            tasks.start_soon(far_queue.publish, topic, body)
            await wait_until(lambda: proxy.bytes_up > before + 100, "bytes on their way")
            assert proxy.bytes_up < before + len(body)

            proxy.cut()

    assert await take(queue, topic, 1) == [body]
    assert (await queue.topic(topic)).published == 1


async def test_a_publish_gives_up_when_its_time_is_over(proxy: Proxy, ca: Path, topic: str) -> None:
    async with Client(proxy.url, ca=ca, timeout_seconds=1.0) as impatient:
        proxy.stall()

        with pytest.raises(NoAnswer, match=r"1 s"):
            await impatient.publish(topic, b"1")

        proxy.cut()


async def test_a_full_topic_is_an_error_for_who_does_not_wait(
    url: str, ca: Path, topic: str
) -> None:
    async with Client(url, ca=ca, wait_when_full=False) as queue:
        await queue.set_policy(topic, {"maxMessages": 1})
        await queue.publish(topic, b"1")

        with pytest.raises(TopicFull, match="maxMessages is 1") as caught:
            await queue.publish(topic, b"2")

    assert caught.value.retry_after_seconds == 1


async def test_who_waits_for_a_full_topic_learns_of_it_in_the_end(
    url: str, ca: Path, topic: str
) -> None:
    async with Client(url, ca=ca, timeout_seconds=0.3) as queue:
        await queue.set_policy(topic, {"maxMessages": 1})
        await queue.publish(topic, b"1")

        with pytest.raises(TopicFull, match="maxMessages is 1"):
            await queue.publish(topic, b"2")
