"""A broker answers, and its answer makes no sense, or says that it is not now."""

import time

import anyio
import pytest

from miniqueue_py.client import Client
from miniqueue_py.client.errors import (
    NoAnswer,
)
from miniqueue_py.errors import ProtocolError, TopicFull
from miniqueue_py.tls.paths import CertificatePaths
from tests.client import bad_servers
from tests.client.cases import case
from tests.client.http2_server import Answer, Request
from tests.client.waiting import PATIENCE

pytestmark = pytest.mark.anyio
CONFIRMS = [
    b"no json\n",
    b"[1]\n",
    b"7\n",
    b'{"published":"many"}\n',
    b'{"published":5}\n',
    b'{"error":7}\n',
    b"\xff\n",
]


async def test_lines_that_make_no_sense_end_a_publisher_by_a_named_error(
    certificates: CertificatePaths,
) -> None:
    line = b""

    def answer(request: Request) -> Answer | None:
        if request.path.endswith("/batch"):
            return Answer(200, line, stays_open=True)
        return bad_servers.as_a_broker(request)

    async def publish(queue: Client) -> None:
        async with queue.publisher("t") as publisher:
            await publisher.send(b"1")

    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            for line in CONFIRMS:
                with case(line), anyio.fail_after(PATIENCE), pytest.raises(ProtocolError):
                    await publish(queue)

            assert (await queue.publish("t", b"1")).message_id
    assert server.accepted == 1


LINES = [
    b"no json\n",
    b"[1]\n",
    b'{"msg":7}\n',
    b'{"msg":"aGVsbG8=","id":"x"}\n',
    b'{"msg":"not base64","id":1,"attempt":1,"messageId":"1-1","publishedAt":1}\n',
    b"\xff\n",
]


async def test_lines_that_make_no_sense_end_a_subscription_by_a_named_error(
    certificates: CertificatePaths,
) -> None:
    line = b""

    def answer(request: Request) -> Answer | None:
        if request.path.startswith("/subscribe/"):
            return Answer(200, line, stays_open=True)
        return bad_servers.as_a_broker(request)

    async def consume(queue: Client) -> None:
        async with queue.subscribe("t") as deliveries:
            delivery = await deliveries.receive()
            assert delivery.body

    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            for line in LINES:
                with case(line), anyio.fail_after(2), pytest.raises(ProtocolError):
                    await consume(queue)

            assert (await queue.publish("t", b"1")).message_id
    assert server.accepted == 1


PAGES = [b"", b"<html>", b"[]", b"{}", b'{"name":1}', b'{"topics":7}', b'{"topics":[7]}', b"\xff"]


async def test_a_page_that_makes_no_sense_is_a_named_error(certificates: CertificatePaths) -> None:
    body = b""

    def answer(request: Request) -> Answer | None:
        if request.path.startswith("/topics"):
            return Answer(200, body) if request.is_complete else None
        return bad_servers.as_a_broker(request)

    async def list_topics(queue: Client) -> None:
        async for _ in queue.topics():
            pass

    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            for body in PAGES:
                for ask in (queue.topic, queue.peek, queue.redrive):
                    with case((ask, body)), pytest.raises(ProtocolError):
                        await ask("t")
                with case(("topics", body)), pytest.raises(ProtocolError):
                    await list_topics(queue)


async def test_a_busy_broker_is_asked_again_after_the_time_that_it_names(
    certificates: CertificatePaths,
) -> None:
    with bad_servers.busy(certificates, times=3, retry_after="0.1") as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            begun = time.monotonic()

            await queue.publish("t", b"1")

    assert 0.3 <= time.monotonic() - begun < 5
    keys = {each.headers["idempotency-key"] for each in server.requests if each.method == "POST"}
    assert len(keys) == 1


async def test_a_retry_after_that_makes_no_sense_is_a_short_wait(
    certificates: CertificatePaths,
) -> None:
    for retry_after in ("", "soon", "-5", "nan", "Wed, 21 Oct 2015 07:28:00 GMT"):
        with bad_servers.busy(certificates, 1, retry_after) as server, case(retry_after):
            queue = Client(server.url, ca=certificates.authority, wait_when_full=False)
            async with queue:
                with pytest.raises(TopicFull) as caught:
                    await queue.publish("t", b"1")
            assert 0 <= caught.value.retry_after_seconds <= 1


async def test_a_retry_after_beyond_the_time_ends_with_it(certificates: CertificatePaths) -> None:
    for retry_after in ("1000000", "inf"):
        with bad_servers.busy(certificates, 1, retry_after) as server:
            async with Client(server.url, ca=certificates.authority, timeout_seconds=0.2) as queue:
                with case(retry_after), anyio.fail_after(5), pytest.raises(TopicFull):
                    await queue.publish("t", b"1")


async def test_a_broker_that_stops_is_asked_again(certificates: CertificatePaths) -> None:
    with bad_servers.busy(certificates, 2, status=503) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            with anyio.fail_after(5):
                await queue.publish("t", b"1")


async def test_a_gateway_that_has_lost_its_broker_is_asked_again(
    certificates: CertificatePaths,
) -> None:
    """What it says is not in our words; that it is away for a while is."""
    left = iter(range(3))

    def answer(request: Request) -> Answer | None:
        if request.path != "/publish/t":
            return bad_servers.as_a_broker(request)
        if request.is_complete and next(left, None) is not None:
            return Answer(502, b"<html>Bad Gateway", {"content-type": "text/html"})
        return bad_servers.as_a_broker(request)

    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            with anyio.fail_after(5):
                await queue.publish("t", b"1")


async def test_a_broker_that_never_gets_better_is_told_with_its_own_words(
    certificates: CertificatePaths,
) -> None:
    with bad_servers.busy(certificates, 1000, status=503) as server:
        async with Client(server.url, ca=certificates.authority, timeout_seconds=0.3) as queue:
            with pytest.raises(NoAnswer, match=r"0\.3 s.*maxMessages is 1"):
                await queue.publish("t", b"1")
