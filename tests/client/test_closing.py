"""A client ends: at once where nobody answers, with a goodbye otherwise, and opens again."""

from pathlib import Path

import anyio
import pytest

from miniqueue_py.client import Client, client, subscription
from miniqueue_py.errors import Unavailable
from tests.client.proxy import Proxy
from tests.client.waiting import take, wait_until

pytestmark = pytest.mark.anyio


async def test_a_client_closes_at_once_when_the_broker_is_gone(
    proxy: Proxy, ca: Path, topic: str
) -> None:
    with anyio.fail_after(2):
        async with Client(proxy.url, ca=ca) as queue, queue.subscribe(topic):
            proxy.refuse()
            proxy.cut()


async def test_a_client_closes_soon_when_the_broker_does_not_answer(
    proxy: Proxy, ca: Path, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "FAREWELL_SECONDS", 0.2)
    monkeypatch.setattr(client, "GOODBYE_SECONDS", 0.2)
    with anyio.fail_after(2):
        async with Client(proxy.url, ca=ca) as queue, queue.subscribe(topic):
            proxy.stall()


async def test_a_closed_client_says_goodbye(proxy: Proxy, ca: Path, topic: str) -> None:
    """The connection is ended by the client, not left for the broker to notice."""
    async with Client(proxy.url, ca=ca) as queue:
        await queue.publish(topic, b"1")

    await wait_until(lambda: proxy.open_links == 0, "the end of the connection")


async def test_a_client_can_be_opened_again(url: str, ca: Path, topic: str) -> None:
    queue = Client(url, ca=ca)
    for number in range(3):
        async with queue:
            await queue.publish(topic, b"%d" % number)

    async with queue:
        assert await take(queue, topic, 3) == [b"0", b"1", b"2"]


async def test_a_broker_that_is_away_at_the_beginning_is_an_error_at_once(
    proxy: Proxy, ca: Path
) -> None:
    proxy.refuse()
    with anyio.fail_after(5), pytest.raises(Unavailable, match="cannot connect"):
        async with Client(proxy.url, ca=ca):
            pass
