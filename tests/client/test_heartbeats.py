"""What stands between a client and its broker, and says nothing of it."""

import logging

import anyio
import pytest

from miniqueue_py.client import Client, heartbeats, subscription
from miniqueue_py.client.http2 import requests
from miniqueue_py.errors import Unavailable
from miniqueue_py.tls.paths import CertificatePaths
from tests.client.bad_servers import as_a_broker, http2
from tests.client.http2_server import Answer, Request
from tests.client.waiting import PATIENCE

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def short_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait no long time for what these servers never say."""
    monkeypatch.setattr(subscription, "FAREWELL_SECONDS", 0.05)


async def test_stream_that_misses_its_heartbeats_is_lost_and_another_one_is_opened(
    certificates: CertificatePaths,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 0.05)
    streams = 0

    def answer(request: Request) -> Answer | None:
        nonlocal streams
        if not request.path.startswith("/subscribe/"):
            return as_a_broker(request)
        streams += 1
        line = b'{"msg":"MQ==","id":1,"attempt":1,"messageId":"1-1","publishedAt":1}\n'
        last = b'{"heartbeat":1}\n' if streams == 1 else line
        return Answer(200, last, stays_open=True)

    with http2(certificates, answer) as server:
        async with (
            Client(server.url, ca=certificates.authority) as client,
            client.subscribe("orders") as deliveries,
        ):
            with anyio.fail_after(PATIENCE):
                delivery = await deliveries.receive()

    assert delivery.body == b"1"
    assert streams == 2
    assert "nothing came on the stream for 0.15 s" in caplog.text
    assert all("heartbeat=0.05s" in each.path for each in server.requests if "/sub" in each.path)


async def test_silence_of_a_broker_that_knows_no_heartbeats_says_nothing(
    certificates: CertificatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 0.02)

    def answer(request: Request) -> Answer | None:
        if not request.path.startswith("/subscribe/"):
            return as_a_broker(request)
        return Answer(200, stays_open=True)

    with http2(certificates, answer) as server:
        async with (
            Client(server.url, ca=certificates.authority) as client,
            client.subscribe("orders") as deliveries,
        ):
            with anyio.move_on_after(0.3):
                await deliveries.receive()

    assert sum("/subscribe/" in each.path for each in server.requests) == 1


async def test_headers_that_do_not_come_are_told_with_what_to_set(
    certificates: CertificatePaths,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert requests.HELD_UP_SECONDS < 5
    monkeypatch.setattr(requests, "HELD_UP_SECONDS", 0.05)

    def answer(request: Request) -> Answer | None:
        return None if request.path.startswith("/subscribe/") else as_a_broker(request)

    with http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority, timeout_seconds=0.5) as client:
            with pytest.raises(Unavailable):
                async with client.subscribe("orders"):
                    raise AssertionError("it was subscribed")

    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "proxy_request_buffering off" in warnings[0].getMessage()
