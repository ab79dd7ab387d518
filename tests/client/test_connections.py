"""One connection for everything, another before it is full, and a new one when it is lost."""

import threading
from pathlib import Path

import anyio
import pytest

from miniqueue_py.client import Client
from miniqueue_py.client.errors import CannotConnect
from miniqueue_py.errors import ConnectionLost
from miniqueue_py.tls.paths import CertificatePaths
from tests.client import bad_servers
from tests.client.conftest import FLAGS
from tests.client.http2_server import Answer, Request, json_answer
from tests.client.proxy import Proxy
from tests.client.waiting import PATIENCE, publish_all, take, wait_counts, wait_until
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

SUBSCRIPTIONS = 200

A_GREETING = 6000
"""More bytes than a client and a broker need to get to know each other."""


async def test_hundreds_of_subscriptions_share_one_connection(
    far_queue: Client, proxy: Proxy, topic: str
) -> None:
    names = [f"{topic}-{number}" for number in range(SUBSCRIPTIONS)]
    bodies: set[bytes] = set()

    async def consume(name: str) -> None:
        async with far_queue.subscribe(name, credit=1) as deliveries:
            delivery = await deliveries.receive()
            assert delivery.topic == name
            bodies.add(delivery.body)
            await delivery.ack()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(consume, name)
            for name in names:
                tasks.start_soon(far_queue.publish, name, name.encode())

    assert bodies == {name.encode() for name in names}
    assert proxy.accepted == 1


@pytest.mark.parametrize("limit", [1, 5])
async def test_another_connection_opens_before_the_stream_limit(
    certificates: CertificatePaths, limit: int
) -> None:
    """The server never sees more streams than it allows, and each request is answered."""
    with bad_servers.narrow(certificates, limit) as server:
        async with (
            Client(server.url, ca=certificates.authority) as queue,
            anyio.create_task_group() as tasks,
        ):

            async def subscribe(number: int) -> None:
                # With a lease of its own it does not ask for the policy's, on one stream more.
                async with queue.subscribe(f"t{number}", lease=60):
                    await anyio.sleep_forever()

            for number in range(20):
                tasks.start_soon(subscribe, number)
            with anyio.fail_after(PATIENCE):
                await wait_until(lambda: sum(server.open_streams.values()) == 20, "20 streams")
                for number in range(20):
                    await queue.publish("t", b"%d" % number)
            tasks.cancel_scope.cancel()

    assert max(server.streams_at_once.values()) <= limit
    assert server.accepted <= 1 + 2 * 20 // max(1, limit - 2)


async def test_many_requests_at_once_stay_below_the_stream_limit(
    certificates: CertificatePaths,
) -> None:
    with bad_servers.narrow(certificates, 10) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tasks:
                    for _ in range(200):
                        tasks.start_soon(queue.publish, "t", b"1")

    assert max(server.streams_at_once.values()) <= 10
    assert sum(request.path == "/publish/t" for request in server.requests) == 200


async def test_a_goaway_takes_nothing_with_it(certificates: CertificatePaths) -> None:
    """Each connection answers three requests and then wants no more.

    The subscription is the second request of the first one, and stays there.
    """
    with bad_servers.leaves(certificates, after=3) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            with anyio.fail_after(PATIENCE):
                async with (
                    queue.subscribe("t", lease=60) as deliveries,
                    anyio.create_task_group() as tasks,
                ):
                    tasks.start_soon(deliveries.receive)
                    for number in range(10):
                        await queue.publish("t", b"%d" % number)
                    tasks.cancel_scope.cancel()

    assert sum(request.path.startswith("/subscribe/") for request in server.requests) == 1
    assert 4 <= server.accepted <= 6


async def test_what_is_delivered_behind_a_goaway_is_received_and_settled(
    certificates: CertificatePaths,
) -> None:
    """The old connection goes on as if nothing were, while requests go over others."""
    delivery = b'{"msg":"1","id":1,"attempt":1,"messageId":"1-1"}\n'

    def answer(request: Request) -> Answer | None:
        if not request.path.startswith("/subscribe/"):
            return bad_servers.as_a_broker(request)
        return Answer(200, delivery, stays_open=True, goaway=True)

    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            with anyio.fail_after(PATIENCE):
                async with queue.subscribe("t", lease=60) as deliveries:
                    held = await deliveries.receive()
                    await queue.publish("t", b"2")
                    await held.ack()
                [subscribed] = [each for each in server.requests if "/subscribe/" in each.path]
                await wait_until(lambda: subscribed.is_complete, "the end of the old stream")

    assert subscribed.body.startswith(b'"INIT ')
    assert b"ACK" in subscribed.body
    assert server.accepted == 2


async def test_a_connection_is_closed_when_a_goaway_left_nothing_on_it(
    certificates: CertificatePaths,
) -> None:
    with bad_servers.leaves(certificates, after=2) as server, Proxy(server.port) as proxy:
        async with Client(proxy.url, ca=certificates.authority) as queue:
            await queue.publish("t", b"1")

            await wait_until(lambda: proxy.open_links == 0, "the end of the connection")


async def test_what_a_goaway_refuses_is_asked_again_elsewhere(
    certificates: CertificatePaths,
) -> None:
    """Nothing of it was done: so that holds too for what is not repeated when in doubt."""
    has_both = threading.Event()

    def answer(request: Request) -> Answer | None:
        if "/redrive" in request.path:
            return json_answer(200, {"redriven": 7}) if request.connection > 1 else None
        good = bad_servers.as_a_broker(request)
        if good is None or not request.path.startswith("/publish/"):
            return good
        has_both.wait(PATIENCE)
        return Answer(good.status, good.body, good.headers, goaway=True)

    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(queue.publish, "t", b"1")
                    await wait_until(lambda: len(server.requests) == 2, "the publish")
                    tasks.start_soon(queue.redrive, "t")
                    await anyio.wait_all_tasks_blocked()
                    has_both.set()
            await wait_until(lambda: len(server.requests) == 4, "both of its requests")

    redrives = [each.connection for each in server.requests if "/redrive" in each.path]
    assert sorted(redrives) == [1, 2]


async def test_requests_under_way_at_a_goaway_are_asked_again_elsewhere(
    certificates: CertificatePaths,
) -> None:
    with bad_servers.leaves(certificates, after=8) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tasks:
                    for number in range(30):
                        tasks.start_soon(queue.publish, "t", b"%d" % number)

    keys = [each.headers["idempotency-key"] for each in server.requests if each.method == "POST"]
    assert len(set(keys)) == 30


async def test_everybody_who_lost_a_connection_shares_the_next_one(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    proxy.stall("down")
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(far_queue.publish, topic, b"%d" % number)
            await wait_counts(queue, topic, published=50)

            proxy.reset()

    assert proxy.accepted == 2
    assert (await queue.topic(topic)).published == 50


async def test_a_connection_that_goes_silent_is_left_for_another(
    proxy: Proxy, ca: Path, topic: str
) -> None:
    async with (
        Client(proxy.url, ca=ca, silence_seconds=0.1) as queue,
        queue.subscribe(topic) as deliveries,
    ):
        proxy.stall()

        with anyio.fail_after(PATIENCE):
            await queue.publish(topic, b"1")
            assert proxy.accepted == 2

            # To the broker the silent one is alive, and may have the message.
            proxy.cut()
            await (await deliveries.receive()).ack()


async def test_an_idle_connection_is_not_taken_for_a_silent_one(
    proxy: Proxy, ca: Path, topic: str
) -> None:
    async with (
        Client(proxy.url, ca=ca, silence_seconds=0.05) as queue,
        queue.subscribe(topic) as deliveries,
    ):
        before = proxy.bytes_down
        await wait_until(lambda: proxy.bytes_down > before + 150, "a few signs of life")

        await queue.publish(topic, b"1")
        await (await deliveries.receive()).ack()

    assert proxy.accepted == 1


async def test_bytes_that_come_one_by_one_are_as_good_as_any(
    proxy: Proxy, ca: Path, topic: str
) -> None:
    proxy.trickle_new(3000)
    bodies = [b"one", b"two\n", b"three"]

    async with Client(proxy.url, ca=ca) as queue:
        await publish_all(queue, topic, *bodies)

        assert await take(queue, topic, 3) == bodies
    assert proxy.accepted == 1


async def test_a_connection_that_breaks_anywhere_in_its_greeting_is_told_in_words(
    proxy: Proxy, ca: Path, topic: str
) -> None:
    """Byte by byte would take long, and the bytes of a TLS record share a fate."""
    failures = 0
    for after in range(1, A_GREETING, 97):
        proxy.break_new(after)
        try:
            async with Client(proxy.url, ca=ca):
                break
        except CannotConnect as error:
            assert f"localhost:{proxy.port}" in str(error)  # noqa: PT017  it may also succeed
        except ConnectionLost:
            pass
        failures += 1

    assert failures > 10


async def test_a_greeting_that_breaks_later_is_tried_again(
    far_queue: Client, proxy: Proxy, queue: Client, topic: str
) -> None:
    proxy.break_new(700)
    proxy.cut()
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(far_queue.publish, topic, b"1")
            await wait_until(lambda: proxy.accepted >= 4, "a few attempts")
            proxy.break_new(None)

    assert (await queue.topic(topic)).published == 1


async def test_a_publish_waits_for_a_broker_that_comes_back(
    own_broker: RunningBroker, ca: Path, topic: str
) -> None:
    with Proxy(own_broker.port) as proxy:
        async with Client(proxy.url, ca=ca) as queue, anyio.create_task_group() as tasks:
            own_broker.kill()
            tasks.start_soon(queue.publish, topic, b"1")
            await anyio.to_thread.run_sync(own_broker.start)
            proxy.aim(own_broker.port)

            with anyio.fail_after(PATIENCE):
                assert await take(queue, topic, 1) == [b"1"]


def is_draining(broker: RunningBroker) -> bool:
    return any("drain" in line for line in broker.log_lines())


async def test_what_is_in_flight_can_be_settled_while_the_broker_drains(
    own_broker: RunningBroker, url: str, ca: Path, topic: str
) -> None:
    async with Client(f"https://localhost:{own_broker.port}", ca=ca) as queue:
        await publish_all(queue, topic, b"1", b"2")
        async with queue.subscribe(topic, credit=1) as deliveries:
            held = await deliveries.receive()

            own_broker.terminate()
            await wait_until(lambda: is_draining(own_broker), "the beginning of the end")
            await held.ack()
            code = await anyio.to_thread.run_sync(own_broker.wait)

    assert code == 0
    await anyio.to_thread.run_sync(own_broker.start)
    async with Client(f"https://localhost:{own_broker.port}", ca=ca) as queue:
        told = await queue.topic(topic)
    assert (told.acknowledged, told.ready) == (1, 1)


async def test_subscriptions_that_wait_come_back_when_the_broker_is_restarted(
    certificates: CertificatePaths, tmp_path: Path, topic: str
) -> None:
    topics = [f"{topic}-{number}" for number in range(10)]
    subscribed = 0

    async def receive(client: Client, topic: str) -> None:
        nonlocal subscribed
        async with client.subscribe(topic) as deliveries:
            subscribed += 1
            delivery = await deliveries.receive()
            await delivery.ack()

    ca = certificates.authority
    with (
        RunningBroker(tmp_path / "db", certificates, FLAGS) as broker,
        Proxy(broker.port) as proxy,
    ):
        async with (
            Client(proxy.url, ca=ca) as queue,
            Client(proxy.url, ca=ca) as other,
            anyio.create_task_group() as tasks,
        ):
            for number, name in enumerate(topics):
                tasks.start_soon(receive, other if number % 2 else queue, name)
            await wait_until(lambda: subscribed == len(topics), "the subscriptions")
            broker.terminate()
            assert await anyio.to_thread.run_sync(broker.wait) == 0
            await anyio.to_thread.run_sync(broker.start)
            proxy.aim(broker.port)
            with anyio.fail_after(PATIENCE):
                for name in topics:
                    await queue.publish(name, b"1")
                    await wait_counts(queue, name, acknowledged=1)
