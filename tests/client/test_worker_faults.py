"""A worker whose broker is not there yet, goes away, and comes back."""

import re
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from miniqueue_py.client import Client, Delivery, Worker
from tests.client.proxy import Proxy
from tests.client.waiting import PATIENCE, publish_all, wait_counts, wait_until
from tests.client.workshop import at_work, logged
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio


async def test_a_broker_that_is_not_there_yet_is_waited_for(
    proxy: Proxy, ca: Path, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(proxy.url, ca=ca)

    @worker.handles(topic)
    async def handle() -> None: ...

    await queue.publish(topic, b"1")
    proxy.refuse()
    async with at_work(worker):
        await wait_until(lambda: any(logged(caplog)), "the refusal was logged")
        proxy.accept()
        await wait_counts(queue, topic, acknowledged=1)

    assert "cannot connect" in next(logged(caplog))
    assert re.search(r"trying again in 0\.0[1-9]\d? s", next(logged(caplog)))


async def test_a_worker_that_waits_for_its_broker_can_be_stopped(
    proxy: Proxy, ca: Path, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(proxy.url, ca=ca)

    @worker.handles(topic)
    async def handle() -> None: ...

    proxy.refuse()
    async with at_work(worker):
        await wait_until(lambda: any(logged(caplog)), "the refusal was logged")


async def test_a_worker_whose_connection_hangs_at_the_start_can_be_stopped(
    proxy: Proxy, ca: Path, topic: str
) -> None:
    # It may have subscribed already: then it is silence that tells it to give up.
    worker = Worker(proxy.url, ca=ca, silence_seconds=1.0)

    @worker.handles(topic)
    async def handle() -> None: ...

    async with at_work(worker):
        await wait_until(lambda: proxy.open_links > 0, "it connects")
        proxy.stall()


async def test_a_delivery_lost_in_the_middle_is_logged_and_comes_again(
    proxy: Proxy, ca: Path, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(proxy.url, ca=ca)
    attempts: list[int] = []
    now, most = 0, 0

    @worker.handles(topic)
    async def handle(delivery: Delivery) -> None:
        nonlocal now, most
        now += 1
        most = max(now, most)
        attempts.append(delivery.attempt)
        if len(attempts) == 1:
            proxy.reset()
            # It is with us again, and has to wait for its turn.
            await wait_counts(queue, topic, in_flight=1, delivered=2)
        now -= 1

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=1)

    assert attempts == [1, 2]
    assert most == 1
    (line,) = logged(caplog)
    assert "handled in vain" in line
    assert "comes again" in line


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_worker_goes_on_after_its_broker_was_killed(
    own_broker: RunningBroker, ca: Path, topic: str
) -> None:
    with Proxy(own_broker.port) as proxy:
        worker = Worker(proxy.url, ca=ca)
        done: list[bytes] = []
        bodies = [b"%d" % number for number in range(50)]

        @worker.handles(topic, concurrency=4, lease=5)
        async def handle(body: bytes) -> None:
            await anyio.sleep(0.002)
            done.append(body)

        async with Client(proxy.url, ca=ca) as queue:
            await publish_all(queue, topic, *bodies)
            async with at_work(worker):
                await wait_until(lambda: len(done) > 10, "some are done")
                own_broker.kill()
                await anyio.to_thread.run_sync(own_broker.start)
                proxy.aim(own_broker.port)
                with anyio.fail_after(PATIENCE):
                    await wait_counts(queue, topic, ready=0, in_flight=0)

        assert set(done) == set(bodies)
        assert len(done) <= len(bodies) + 10
