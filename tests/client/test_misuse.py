"""What a program does wrong has a name, and the words say what to do instead."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from miniqueue_py.client import Client
from miniqueue_py.client.errors import ClientClosed, DeliveryLost, Misuse, WrongTask, WrongThread
from miniqueue_py.errors import BadParameter, BadRequest, MessageTooLong
from tests.client.cases import case
from tests.client.proxy import Proxy
from tests.client.waiting import take

pytestmark = pytest.mark.anyio

LONGEST = 1 << 20

NO_NAMES = ["", "a/b", "line\nend", "\x7f", "x" * 256, "ü" * 128, "\ud800"]


async def list_topics(queue: Client) -> None:
    async for _ in queue.topics():
        pass


VERBS: dict[str, Callable[[Client], Coroutine[Any, Any, object]]] = {
    "publish": lambda queue: queue.publish("t", b"1"),
    "topic": lambda queue: queue.topic("t"),
    "set_policy": lambda queue: queue.set_policy("t", {}),
    "purge": lambda queue: queue.purge("t"),
    "delete": lambda queue: queue.delete("t"),
    "pause": lambda queue: queue.pause("t"),
    "resume": lambda queue: queue.resume("t"),
    "redrive": lambda queue: queue.redrive("t"),
    "peek": lambda queue: queue.peek("t"),
    "topics": list_topics,
    "publisher": lambda queue: enter(lambda: queue.publisher("t")),
    "subscribe": lambda queue: enter(lambda: queue.subscribe("t")),
}


async def enter(make: Callable[[], Any]) -> None:
    async with make():
        pass


def in_a_thread(work: Callable[[], Coroutine[Any, Any, object]]) -> BaseException | None:
    """Do something in another thread, with an event loop of its own; say what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:  # noqa: BLE001  it is looked at
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    return raised[0] if raised else None


async def test_a_client_is_used_inside_its_block(url: str, ca: Path) -> None:
    queue = Client(url, ca=ca)
    for name, use in VERBS.items():
        with case(name), pytest.raises(ClientClosed, match="inside its `with` block"):
            await use(queue)
    async with queue:
        pass
    for name, use in VERBS.items():
        with case(name), pytest.raises(ClientClosed, match="inside its `with` block"):
            await use(queue)


async def test_what_was_made_before_the_client_was_closed_is_closed_with_it(
    url: str, ca: Path, topic: str
) -> None:
    async with Client(url, ca=ca) as queue:
        publisher, subscription = queue.publisher(topic), queue.subscribe(topic)

    with pytest.raises(ClientClosed, match="inside its `with` block"):
        await enter(lambda: publisher)
    with pytest.raises(ClientClosed, match="inside its `with` block"):
        await enter(lambda: subscription)


async def test_a_publisher_is_used_inside_its_block(queue: Client, topic: str) -> None:
    publisher = queue.publisher(topic)
    for _ in range(2):
        with pytest.raises(ClientClosed, match="this publisher"):
            await publisher.send(b"1")
        with pytest.raises(ClientClosed, match="this publisher"):
            await publisher.flush()
        async with queue.publisher(topic) as publisher:
            await publisher.send(b"0")


async def test_a_subscription_is_used_inside_its_block(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    subscription = queue.subscribe(topic)
    for _ in range(2):
        with pytest.raises(ClientClosed, match="this subscription"):
            await subscription.receive()
        with pytest.raises(ClientClosed, match="this subscription"):
            await subscription.receive_many(5)
        with pytest.raises(ClientClosed, match="this subscription"):
            subscription.receive_nowait()
        async with queue.subscribe(topic) as subscription:
            pass


async def test_who_waits_for_a_delivery_learns_that_the_block_was_left(
    queue: Client, topic: str
) -> None:
    raised: list[BaseException] = []
    await queue.set_policy(topic, {})

    async def receive() -> None:
        try:
            await deliveries.receive()
        except ClientClosed as error:
            raised.append(error)

    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks, queue.subscribe(topic) as deliveries:
            for _ in range(3):
                tasks.start_soon(receive)
            await anyio.wait_all_tasks_blocked()

    assert len(raised) == 3
    assert (await queue.topic(topic)).consumers == 0


async def test_who_waits_for_a_delivery_learns_that_the_client_was_closed(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    raised: list[BaseException] = []

    async def receive(other: Client) -> None:
        try:
            async with other.subscribe(topic) as deliveries:
                await deliveries.receive()
        except (Misuse, DeliveryLost) as error:
            raised.append(error)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks, Client(url, ca=ca) as other:
            tasks.start_soon(receive, other)
            await anyio.wait_all_tasks_blocked()

    assert [type(error) for error in raised] == [ClientClosed]


async def test_a_delivery_is_lost_when_its_client_is_closed(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    await queue.publish(topic, b"1")
    async with Client(url, ca=ca) as other, other.subscribe(topic) as deliveries:
        held = await deliveries.receive()

    with pytest.raises(DeliveryLost, match="comes again"):
        await held.ack()
    assert await take(queue, topic, 1) == [b"1"]


async def test_a_client_is_entered_once(queue: Client) -> None:
    with pytest.raises(Misuse, match="open already"):
        await enter(lambda: queue)

    assert not [topic async for topic in queue.topics() if topic.name == "never"]


@pytest.mark.parametrize("kind", ["publisher", "subscribe"])
async def test_a_stream_is_entered_once(queue: Client, topic: str, kind: str) -> None:
    stream = getattr(queue, kind)(topic)
    async with stream:
        with pytest.raises(Misuse):
            await enter(lambda: stream)
    with pytest.raises(Misuse):
        await enter(lambda: stream)


async def test_a_client_is_closed_by_the_task_that_opened_it(
    url: str, ca: Path, topic: str
) -> None:
    raised: list[BaseException] = []

    async def close() -> None:
        try:
            await queue.__aexit__(None, None, None)
        except WrongTask as error:
            raised.append(error)

    async with Client(url, ca=ca) as queue:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close)

        # It is as good as before.
        await queue.publish(topic, b"1")

    [error] = raised
    assert "keep `async with` in one task" in str(error)


async def test_any_task_may_use_a_client(queue: Client, topic: str) -> None:
    async def use(name: str) -> None:
        await queue.publish(name, b"1")
        assert await take(queue, name, 1) == [b"1"]

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(use, f"{topic}-{number}")


async def test_a_client_belongs_to_its_thread(queue: Client) -> None:
    for name, use in VERBS.items():
        error = in_a_thread(partial(use, queue))

        with case(name):
            assert isinstance(error, WrongThread)
            assert "SyncClient" in str(error)


async def test_what_a_client_gave_belongs_to_its_thread(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    async with (
        queue.publisher(topic) as publisher,
        queue.subscribe(topic) as deliveries,
    ):
        delivery = await deliveries.receive()

        for verb in (
            lambda: publisher.send(b"1"),
            publisher.flush,
            deliveries.receive,
            delivery.ack,
            delivery.touch,
        ):
            assert isinstance(in_a_thread(verb), WrongThread)

        await delivery.ack()
    assert (await queue.topic(topic)).acknowledged == 1


async def test_a_message_too_long_is_refused_before_it_is_sent(
    far_queue: Client, proxy: Proxy, topic: str
) -> None:
    before = proxy.bytes_up

    with pytest.raises(MessageTooLong, match=str(LONGEST)) as caught:
        await far_queue.publish(topic, b"x" * (LONGEST + 1))

    assert caught.value.limit == LONGEST
    assert proxy.bytes_up - before < 1000


async def test_a_message_too_long_is_refused_and_a_publisher_goes_on(
    far_queue: Client, proxy: Proxy, topic: str
) -> None:
    before = proxy.bytes_up
    async with far_queue.publisher(topic) as publisher:
        await publisher.send(b"1")
        for refused in (b"x" * (LONGEST + 1), b"\n" * (LONGEST + 1)):
            with pytest.raises(MessageTooLong):
                await publisher.send(refused)
        with pytest.raises(MessageTooLong):
            await publisher.send_many([b"no", b"x" * (LONGEST + 1)])
        await publisher.send(b"2")

    assert proxy.bytes_up - before < 5000
    assert await take(far_queue, topic, 2) == [b"1", b"2"]
    assert (await far_queue.topic(topic)).published == 2


async def test_text_counts_as_utf_8(queue: Client, topic: str) -> None:
    with pytest.raises(MessageTooLong):
        await queue.publish(topic, "ü" * (LONGEST // 2 + 1))

    await queue.publish(topic, "ü" * (LONGEST // 2))


@pytest.mark.parametrize("verb", ["publish", "publisher", "subscribe", "topic", "purge"])
async def test_what_is_no_topic_name_is_refused(queue: Client, verb: str) -> None:
    async def use(name: str) -> None:
        match verb:
            case "publish":
                await queue.publish(name, b"1")
            case "publisher":
                async with queue.publisher(name) as publisher:
                    await publisher.send(b"1")
            case "subscribe":
                await enter(lambda: queue.subscribe(name))
            case _:
                await getattr(queue, verb)(name)

    for name in NO_NAMES:
        with case(name), anyio.fail_after(5), pytest.raises(BadRequest, match="topic"):
            await use(name)


TERMS: list[dict[str, Any]] = [
    {"delay": -1},
    {"delay": float("nan")},
    {"delay": float("inf")},
    {"delay": 2**31},
    {"ttl": 0},
    {"ttl": -1},
    {"ttl": float("nan")},
    {"priority": -1},
    {"priority": 256},
]


async def test_terms_that_cannot_be_are_refused_before_they_are_sent(
    far_queue: Client, proxy: Proxy, topic: str
) -> None:
    before = proxy.bytes_up
    for terms in TERMS:
        [name] = terms
        with case(terms), pytest.raises(BadParameter, match=name):
            await far_queue.publish(topic, b"1", **terms)
        with case(terms), pytest.raises(BadParameter, match=name):
            far_queue.publisher(topic, **terms)
    assert proxy.bytes_up == before

    async with far_queue.publisher(topic) as publisher:
        for terms in TERMS:
            [name] = terms
            with case(terms), pytest.raises(BadParameter, match=name):
                await publisher.send(b"1", **terms)
        await publisher.send(b"2")
    assert await take(far_queue, topic, 1) == [b"2"]


KEYS = ["", "x" * 257, "ü" * 129, "line\nend", "a\rb", "\0", "\ud800", " padded "]


async def test_a_key_that_cannot_be_is_refused(far_queue: Client, proxy: Proxy, topic: str) -> None:
    for key in KEYS:
        with case(key), anyio.fail_after(2), pytest.raises(BadRequest, match=r"(?i)key"):
            await far_queue.publish(topic, b"1", key=key)
        with case(key), anyio.fail_after(2), pytest.raises(BadRequest, match=r"(?i)key"):
            async with far_queue.publisher(topic) as publisher:
                await publisher.send(b"1", key=key)

    assert (await far_queue.publish(topic, b"2")).message_id
    assert proxy.accepted == 1, "the connection broke"


async def test_a_credit_or_lease_that_cannot_be_is_refused(queue: Client, topic: str) -> None:
    for credit in (0, -1, 2**31, 10**20):
        with case(credit), pytest.raises(BadParameter, match="credit"):
            queue.subscribe(topic, credit=credit)
    for lease in (0, -1, 86_401, float("nan"), float("inf")):
        with case(lease), pytest.raises(BadParameter, match="lease"):
            queue.subscribe(topic, lease=lease)


async def test_how_many_to_look_at_or_to_send_back_is_told_by_its_name(
    queue: Client, topic: str
) -> None:
    await queue.publish(topic, b"1")
    no_numbers: list[Any] = [1.5, "2", None]
    for most in (0, -1, 1001, *no_numbers):
        with case(most), pytest.raises(BadParameter, match=f"^most is {most!r}, "):
            await queue.peek(topic, most=most)
    for most in (0, -1, 1.5):
        with case(most), pytest.raises(BadParameter, match=f"^most is {most!r}, "):
            await queue.redrive(topic, most)  # type: ignore[arg-type]

    assert len(await queue.peek(topic, most=1000)) == 1


async def test_a_body_is_bytes_or_text(queue: Client, topic: str) -> None:
    """A number is no body: `bytes(5)` would be five zeros."""
    bad: list[Any] = [5, None, 1.5, ["a"], {"a": 1}]
    for body in bad:
        with case(body), pytest.raises(TypeError, match="bytes"):
            await queue.publish(topic, body)
        async with queue.publisher(topic) as publisher:
            with case(body), pytest.raises(TypeError, match="bytes"):
                await publisher.send(body)
    good: list[Any] = [bytearray(b"1"), memoryview(b"2"), "3", b"4"]
    for body in good:
        await queue.publish(topic, body)
    assert await take(queue, topic, 4) == [b"1", b"2", b"3", b"4"]
