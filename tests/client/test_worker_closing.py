"""How a worker ends: drained, out of time, cancelled, or because there is no sense in it."""

import threading
from pathlib import Path

import anyio
import pytest

from miniqueue_py.client import Client, Delivery, Worker
from miniqueue_py.client.errors import CertificateRefused, Misuse
from miniqueue_py.errors import BadRequest
from tests.client.waiting import PATIENCE, publish_all, wait_counts, wait_until
from tests.client.workshop import at_work

pytestmark = pytest.mark.anyio


async def test_a_drain_lets_handlers_finish_and_takes_nothing_new(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    worker = Worker(url, ca=ca)
    begun, go_on = anyio.Event(), anyio.Event()
    done = []

    @worker.handles(topic, concurrency=2)
    async def handle(body: bytes) -> None:
        begun.set()
        await go_on.wait()
        done.append(body)

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await begun.wait()
        worker.stop()
        await publish_all(queue, topic, b"2", b"3")
        await wait_counts(queue, topic, in_flight=1, ready=2)
        go_on.set()
        await wait_counts(queue, topic, consumers=0, acknowledged=1, ready=2)

    assert done == [b"1"]
    assert {message.attempt for message in await queue.peek(topic)} == {1}


async def test_what_was_on_its_way_when_a_drain_began_is_not_held(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    """Whoever else works on the topic gets it, while a handler here takes its time."""
    worker = Worker(url, ca=ca)
    go_on = anyio.Event()
    done = []

    @worker.handles(topic, concurrency=3)
    async def handle(body: bytes) -> None:
        if body == b"slow":
            await go_on.wait()
        else:
            worker.stop()  # what was dealt beside this one has no time to begin
        done.append(body)

    await publish_all(queue, topic, b"slow", *[b"1"] * 20)
    async with at_work(worker):
        await wait_counts(queue, topic, in_flight=1)
        async with queue.subscribe(topic) as deliveries:
            taken: list[Delivery] = []
            while len(taken) + len(done) < 20:
                taken.append(await deliveries.receive())
                await taken[-1].ack()
        go_on.set()

    await wait_counts(queue, topic, acknowledged=21, ready=0)
    assert taken


async def test_handlers_that_need_longer_are_cancelled_and_their_messages_go_back(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    worker = Worker(url, ca=ca, drain_seconds=0.1)
    begun = anyio.Event()

    @worker.handles(topic, lease=30)
    async def handle() -> None:
        begun.set()
        await anyio.sleep_forever()

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await begun.wait()

    await wait_counts(queue, topic, ready=1, in_flight=0)
    assert [message.attempt for message in await queue.peek(topic)] == [1]


async def test_threads_that_need_longer_are_abandoned_and_their_messages_go_back(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    worker = Worker(url, ca=ca, drain_seconds=0.1)
    begun, go_on, ended = (threading.Event() for _ in range(3))

    @worker.handles(topic)
    def handle(body: bytes) -> None:
        begun.set()
        go_on.wait(PATIENCE)
        ended.set()

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_until(begun.is_set, "the thread begins")

    await wait_counts(queue, topic, ready=1, in_flight=0)
    assert not ended.is_set()
    go_on.set()
    await wait_until(ended.is_set, "the thread ends by itself")


async def test_to_be_cancelled_ends_it_at_once_and_gives_back(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    worker = Worker(url, ca=ca)
    begun = anyio.Event()
    was_cancelled = False

    @worker.handles(topic)
    async def handle() -> None:
        nonlocal was_cancelled
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            was_cancelled = True

    await publish_all(queue, topic, b"1", b"2")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.serve)
        await begun.wait()
        tasks.cancel_scope.cancel()

    assert was_cancelled
    await wait_counts(queue, topic, ready=2, consumers=0)
    assert [message.attempt for message in await queue.peek(topic)] == [1, 1]
    assert "idle" in repr(worker)


async def test_a_worker_may_serve_again_and_not_twice_at_once(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    worker = Worker(url, ca=ca)

    @worker.handles(topic)
    async def handle() -> None: ...

    for count in (1, 2):
        await queue.publish(topic, b"1")
        async with at_work(worker):
            await wait_counts(queue, topic, acknowledged=count)
            with pytest.raises(Misuse, match="serves already"):
                await worker.serve()


async def test_one_that_is_stopped_before_it_serves_does_not_begin(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    worker = Worker(url, ca=ca)

    @worker.handles(topic)
    async def handle() -> None: ...

    worker.stop()
    with anyio.fail_after(PATIENCE):
        await worker.serve()

    assert [each.name async for each in queue.topics() if each.name == topic] == []


async def test_one_without_handlers_says_what_is_missing(url: str) -> None:
    with pytest.raises(Misuse, match=r"decorate functions with @worker\.handles"):
        await Worker(url).serve()


async def test_one_that_its_authority_does_not_vouch_for_is_not_waited_for(
    url: str, topic: str
) -> None:
    worker = Worker(url)

    @worker.handles(topic)
    async def handle() -> None: ...

    with anyio.fail_after(PATIENCE), pytest.raises(CertificateRefused, match="ca=certs"):
        await worker.serve()


async def test_a_topic_that_cannot_be_ends_the_worker(url: str, ca: Path, topic: str) -> None:
    worker = Worker(url, ca=ca)

    @worker.handles("no/topic")
    @worker.handles(topic)
    async def handle() -> None: ...

    with anyio.fail_after(PATIENCE), pytest.raises(BadRequest, match="topic"):
        await worker.serve()
