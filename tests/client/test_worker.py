"""A worker against a broker: what becomes of messages, and how many are handled at once."""

import asyncio
import logging
import threading
from typing import Any

import anyio
import anyio.from_thread
import msgspec
import pydantic
import pytest
import sniffio

from miniqueue_py.client import Client, Delivery, Reject, Retry, Worker
from tests.client.waiting import PATIENCE, publish_all, wait_counts, wait_until
from tests.client.workshop import at_work, logged

pytestmark = pytest.mark.anyio


class Email(pydantic.BaseModel):
    to: str


class Order(msgspec.Struct):
    number: int


@pytest.fixture
def worker(url: str, ca: Any) -> Worker:
    """A worker that does not wait before it tries again."""
    return Worker(url, ca=ca, backoff_seconds=0.0)


async def test_a_handler_that_returns_acknowledges(
    worker: Worker, queue: Client, topic: str
) -> None:
    seen = []

    @worker.handles(topic)
    async def handle(body: bytes, delivery: Delivery) -> None:
        seen.append((body, delivery.attempt))

    await publish_all(queue, topic, b"1", b"2", b"3")
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=3, ready=0, in_flight=0)

    assert seen == [(b"1", 1), (b"2", 1), (b"3", 1)]


async def test_retry_sets_aside_for_as_long_as_it_says(
    worker: Worker, queue: Client, topic: str
) -> None:
    @worker.handles(topic)
    async def handle(body: bytes, delivery: Delivery) -> None:
        if body == b"long":
            raise Retry(after=3600)
        if delivery.dack_count == 0:
            raise Retry(after=0)

    await publish_all(queue, topic, b"long", b"short")
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=1, delayed=1)


async def test_retry_without_a_time_waits_as_after_a_failure(
    url: str, ca: Any, queue: Client, topic: str
) -> None:
    worker = Worker(url, ca=ca, backoff_seconds=3600, longest_backoff_seconds=7200)

    @worker.handles(topic)
    async def handle() -> None:
        raise Retry

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, topic, delayed=1, delivered=1)


async def test_reject_makes_a_dead_letter_and_says_why(
    worker: Worker, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    @worker.handles(topic)
    async def handle(body: bytes) -> None:
        raise Reject("no such customer")

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, f"{topic}.dead", ready=1)

    (letter,) = await queue.peek(f"{topic}.dead")
    assert letter.origin is not None
    assert (letter.body, letter.origin.reason) == (b"1", "DEAD")
    assert [line.endswith("dead letter: no such customer") for line in logged(caplog)] == [True]


async def test_a_failure_is_logged_with_its_traceback_and_tried_again(
    worker: Worker, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    @worker.handles(topic)
    async def handle(body: bytes, delivery: Delivery) -> None:
        if delivery.dack_count < 2:
            raise ValueError("the printer is on fire")

    await queue.publish(topic, b"secret")
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=1, delivered=3)

    assert len(list(logged(caplog, logging.ERROR))) == 2
    assert "ValueError: the printer is on fire" in caplog.text
    assert "Traceback" in caplog.text
    assert "secret" not in caplog.text


async def test_a_handler_that_always_fails_ends_as_a_dead_letter_under_a_policy(
    worker: Worker, queue: Client, topic: str
) -> None:
    attempts = []

    @worker.handles(topic)
    async def handle(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        raise ValueError

    await queue.set_policy(topic, {"maxDeliveries": 3})
    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, f"{topic}.dead", ready=1)

    (letter,) = await queue.peek(f"{topic}.dead")
    assert letter.origin is not None
    assert (letter.origin.reason, letter.origin.attempts) == ("maxDeliveries", 3)
    assert attempts == [1, 2, 3]


async def test_a_body_that_fits_no_model_is_a_dead_letter_at_once(
    worker: Worker, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []

    @worker.handles(f"{topic}.emails")
    async def send(email: Email) -> None:
        seen.append(email)

    @worker.handles(f"{topic}.orders")
    def book(order: Order) -> None:
        seen.append(order)

    await publish_all(queue, f"{topic}.emails", b'{"to":17}', b'{"to":"me"}')
    await publish_all(queue, f"{topic}.orders", b"secret", b'{"number":17}')
    async with at_work(worker):
        for name in ("emails", "orders"):
            await wait_counts(queue, f"{topic}.{name}", acknowledged=1, in_flight=0)
            await wait_counts(queue, f"{topic}.{name}.dead", ready=1)

    assert Email(to="me") in seen
    assert Order(17) in seen
    assert len(seen) == 2
    assert any("it is no Email (string_type at $.to)" in line for line in logged(caplog))
    assert "secret" not in caplog.text


async def test_a_handler_may_settle_its_delivery_itself(
    worker: Worker, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    @worker.handles(topic)
    async def handle(body: bytes, delivery: Delivery) -> None:
        await delivery.dack(3600)
        if body == b"2":
            raise ValueError

    await publish_all(queue, topic, b"1", b"2")
    async with at_work(worker):
        await wait_counts(queue, topic, delayed=2)

    assert len(list(logged(caplog))) == 1


async def test_as_many_are_handled_at_once_as_said_and_never_more(
    worker: Worker, queue: Client, topic: str
) -> None:
    now, most = 0, 0

    @worker.handles(topic, concurrency=5)
    async def handle() -> None:
        nonlocal now, most
        now += 1
        most = max(now, most)
        await anyio.sleep(0.005)
        now -= 1

    await publish_all(queue, topic, *[b"1"] * 50)
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=50)

    assert most == 5


async def test_plain_functions_run_in_as_many_threads(
    worker: Worker, queue: Client, topic: str
) -> None:
    together = threading.Barrier(4)
    now, most, lock = 0, 0, threading.Lock()

    @worker.handles(topic, concurrency=4)
    def handle(body: bytes) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(now, most)
        together.wait(PATIENCE)
        with lock:
            now -= 1
        assert threading.current_thread() is not threading.main_thread()
        together.wait(PATIENCE)

    await publish_all(queue, topic, *[b"1"] * 12)
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=12)

    assert most == 4


async def test_a_thread_may_touch_its_delivery_and_stop_the_worker(
    worker: Worker, queue: Client, topic: str
) -> None:
    @worker.handles(topic)
    def handle(delivery: Delivery) -> None:
        anyio.from_thread.run(delivery.touch)
        anyio.from_thread.run_sync(worker.stop)

    await queue.publish(topic, b"1")
    with anyio.fail_after(PATIENCE):
        await worker.serve()

    await wait_counts(queue, topic, acknowledged=1)


@pytest.mark.parametrize("is_async", [True, False])
async def test_nothing_that_a_handler_raises_ends_the_worker(
    worker: Worker, queue: Client, topic: str, *, is_async: bool
) -> None:
    kinds = (SystemExit, GeneratorExit, StopIteration, StopAsyncIteration, RecursionError)

    def handle(text: str) -> None:
        for kind in kinds:
            if text == kind.__name__:
                raise kind

    async def handle_async(text: str) -> None:
        handle(text)

    worker.handles(topic)(handle_async if is_async else handle)
    await queue.set_policy(topic, {"maxDeliveries": 1})
    await publish_all(queue, topic, *(kind.__name__.encode() for kind in kinds), b"good")
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=1, in_flight=0)
        await wait_counts(queue, f"{topic}.dead", ready=len(kinds))


async def test_what_a_handler_waits_for_may_be_cancelled_without_harm(
    worker: Worker, queue: Client, topic: str
) -> None:
    if sniffio.current_async_library() == "trio":
        return  # there nobody else is cancelled

    @worker.handles(topic)
    async def handle(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            sleeping = asyncio.ensure_future(asyncio.sleep(3600))
            sleeping.cancel()
            await sleeping

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=1, delivered=2)


async def test_a_plain_function_that_returns_a_coroutine_is_a_failure_that_says_so(
    worker: Worker, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def later() -> None: ...

    @worker.handles(topic)
    def handle() -> object:
        return later()

    await queue.set_policy(topic, {"maxDeliveries": 1})
    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, f"{topic}.dead", ready=1)

    assert "make it `async def`" in caplog.text


async def test_a_lease_is_touched_for_as_long_as_a_handler_runs(
    worker: Worker, queue: Client, topic: str
) -> None:
    seen = []

    @worker.handles(topic, lease=0.5, concurrency=2)
    async def handle(delivery: Delivery) -> None:
        seen.append(delivery.attempt)
        await anyio.sleep(1.2)

    await publish_all(queue, topic, b"1", b"2")
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=2, delivered=2)

    assert seen == [1, 1]


async def test_a_lease_that_ran_out_is_logged_and_does_no_harm(
    worker: Worker, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The topic's policy has got a lease since the worker subscribed, so nobody renews it."""
    at_last = anyio.Event()

    @worker.handles(topic, concurrency=2)
    async def handle(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            await at_last.wait()

    await queue.set_policy(topic, {})
    async with at_work(worker):
        await wait_counts(queue, topic, consumers=1)
        await queue.set_policy(topic, {"lease": 1.0, "maxDeliveries": 5})
        await queue.publish(topic, b"1")
        await wait_counts(queue, topic, acknowledged=1)
        at_last.set()
        await wait_until(lambda: any(logged(caplog)), "the loss was logged")

    (line,) = logged(caplog)
    assert "handled in vain" in line
    assert "lease" in line
