"""ZoldyQ's WebSockets as other people's client sees them, in clear and over TLS."""

import asyncio
import itertools
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from miniqueue_py.http.dialects.zoldyq.dequeuing import MOST_MARKS, SENT_TOGETHER
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK, no_stumble
from tests.outside.dialects import dialect_broker, dialect_url
from tests.outside.server import RunningBroker
from tests.outside.socket_peer import SocketPeer
from tests.outside.stream import PATIENCE
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

MANY = 10_000


@pytest.fixture(scope="module")
def module_broker(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    directory = tmp_path_factory.mktemp("zoldyq") / "db"
    with dialect_broker(directory, certificates, *QUICK) as broker:
        yield broker


@pytest.fixture
def own_broker(certificates: CertificatePaths, tmp_path: Path) -> Iterator[RunningBroker]:
    with (
        dialect_broker(tmp_path / "db", certificates, *QUICK) as broker,
        no_stumble(broker),
    ):
        yield broker


class Place:
    """Where a queue of ZoldyQ's is: on a port of its own, or under its name over TLS."""

    def __init__(self, broker: RunningBroker, queue: str, *, is_clear: bool = True) -> None:
        tls = f"https://localhost:{broker.port}/zoldyq"
        base = dialect_url(broker, "zoldyq") if is_clear else tls
        self.port = urlsplit(base).port or 0
        self.path = f"/queues/{quote(queue, safe='')}"
        self.url = f"{base}{self.path}"
        self._trust = None if is_clear else ssl.create_default_context(cafile=str(broker.ca))
        self._client = httpx.Client(verify=self._trust or False, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def open(self, verb: str, **options: Any) -> connect:
        url = self.url.replace("http", "ws", 1)
        return connect(f"{url}/{verb}", ssl=self._trust, **options)

    def enqueue(self, payload: object) -> None:
        answer = self._client.post(f"{self.url}/enqueue", json={"payload": payload})
        assert answer.status_code == 200, answer.text

    def dequeue(self) -> Any:
        answer = self._client.get(f"{self.url}/dequeue?timeout=5")
        assert answer.status_code == 200, answer.text
        return answer.json()["payload"]

    def health(self) -> dict[str, int]:
        url = self.url.removesuffix(self.path)
        queues: dict[str, dict[str, int]] = self._client.get(f"{url}/health").json()["queues"]
        return queues[self.path.rpartition("/")[2]]


@pytest.fixture(params=["clear", "tls"])
def place(request: pytest.FixtureRequest, broker: RunningBroker, topic: str) -> Iterator[Place]:
    with Place(broker, topic, is_clear=request.param == "clear") as place:
        yield place


async def fill(place: Place, payloads: list[Any]) -> None:
    """Enqueue by one socket, as fast as it goes."""
    async with place.open("enqueue") as socket:
        saying = asyncio.create_task(say_all(socket, payloads))
        for number in range(len(payloads)):
            answer = json.loads(await socket.recv())
            assert answer == {"queued": True, "queue_size": number + 1}
        await saying


async def say_all(socket: ClientConnection, payloads: list[Any]) -> None:
    for payload in payloads:
        await socket.send(json.dumps({"payload": payload}))


async def hear(socket: ClientConnection, count: int) -> list[Any]:
    async with asyncio.timeout(6 * PATIENCE):
        return [json.loads(await socket.recv())["payload"] for _ in range(count)]


async def drink(socket: ClientConnection, heard: list[Any], patience: float = 1.0) -> None:
    """Hear all there is, until nothing has come for a while."""
    try:
        while True:
            async with asyncio.timeout(patience):
                heard.append(json.loads(await socket.recv())["payload"])
    except TimeoutError:
        return


async def code_of_close(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


async def wait_until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0.02)


async def test_ten_thousand_go_in_and_come_out_in_order(place: Place) -> None:
    await fill(place, list(range(MANY)))
    async with place.open("dequeue") as socket:
        assert await hear(socket, MANY) == list(range(MANY))

    counts = place.health()
    assert (counts["size"], counts["enqueued_total"], counts["dequeued_total"]) == (0, MANY, MANY)


async def test_consumers_share_what_there_is(place: Place) -> None:
    heard: list[list[int]] = [[], [], []]
    async with (
        place.open("dequeue") as one,
        place.open("dequeue") as two,
        place.open("dequeue") as three,
    ):
        drinking = [
            asyncio.create_task(drink(socket, some, 3.0))
            for socket, some in zip((one, two, three), heard, strict=True)
        ]
        for number in range(1000):
            place.enqueue(number)
            await asyncio.sleep(0)
        await asyncio.gather(*drinking)

    assert sorted(itertools.chain(*heard)) == list(range(1000))
    assert all(some == sorted(some) and len(some) > 100 for some in heard)


async def test_slow_reader_is_held_back_and_the_others_get_the_rest(
    broker: RunningBroker, place: Place
) -> None:
    count, long = 1000, "x" * 20_000
    await fill(place, [[number, long] for number in range(count)])
    heard: list[Any] = []
    async with await SocketPeer.open(place.port, ca_of(broker, place)) as slow:
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        slow.ask_nowait(f"{path_of(place)}/dequeue")
        await wait_until(lambda: place.health()["dequeued_total"] > 0)
        async with place.open("dequeue") as quick:
            await drink(quick, heard)
    taken = count - len(heard)

    assert place.health() == {
        "size": 0,
        "capacity": 100_000,
        "enqueued_total": count,
        "dequeued_total": count,
    }
    assert taken <= 100


async def test_closed_reader_loses_at_most_what_it_was_being_sent(place: Place) -> None:
    await fill(place, list(range(MANY)))
    heard: list[int] = []
    async with place.open("dequeue") as leaving:
        heard += await hear(leaving, 1000)
        leaving.transport.abort()
        # Its library had read some more, and has said so in its pongs.
        with suppress(ConnectionClosed):
            while True:
                heard += await hear(leaving, 1)
    await wait_until(lambda: is_quiet(place))
    rest: list[int] = []
    async with place.open("dequeue") as heir:
        await drink(heir, rest)

    assert rest == sorted(rest)
    assert heard == list(range(len(heard)))
    assert not set(heard) & set(rest)
    lost = MANY - len(heard) - len(rest)
    assert lost <= MOST_MARKS * SENT_TOGETHER


async def test_reader_that_is_gone_gets_nothing_more(place: Place) -> None:
    place.enqueue(1)
    for is_polite in (True, False) * 5:
        async with place.open("dequeue") as socket:
            await hear(socket, 1)
            if not is_polite:
                socket.transport.abort()
        place.enqueue("for the next one")
        await asyncio.to_thread(place.dequeue)
        place.enqueue(2)


async def test_socket_may_wait_for_a_queue_that_is_not_there(place: Place) -> None:
    async with place.open("dequeue") as socket:
        place.enqueue({"a": "é"})
        assert await hear(socket, 1) == [{"a": "é"}]


async def test_wrong_turn_is_told_at_the_handshake(place: Place) -> None:
    for verb, status in ("peek", 404), ("enqueue/", 404):
        with pytest.raises(InvalidStatus) as refused:
            await place.open(verb)
        response = refused.value.response
        assert response.status_code == status
        assert json.loads(response.body or b"").keys() == {"error"}


async def test_native_paths_have_no_sockets(broker: RunningBroker) -> None:
    trust = ssl.create_default_context(cafile=str(broker.ca))
    for path in "/subscribe/x", "/queues/x/dequeue", "/zapq/queues/x/dequeue", "/":
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"wss://localhost:{broker.port}{path}", ssl=trust)
        assert refused.value.response.status_code == 403


async def test_drain_answers_what_came_and_closes_with_1001(own_broker: RunningBroker) -> None:
    with Place(own_broker, "emails") as place:
        await drains(own_broker, place)


async def drains(own_broker: RunningBroker, place: Place) -> None:
    async with (
        place.open("enqueue") as publisher,
        place.open("dequeue") as consumer,
        await SocketPeer.open(place.port) as idle,
    ):
        await idle.connect(f"{path_of(place)}/dequeue")
        await publisher.send('{"payload": 1}')
        assert await hear(consumer, 1) == [1]
        own_broker.terminate()
        for socket in publisher, consumer:
            assert await code_of_close(socket) == 1001
        assert [frame.code for frame in await idle.end()] == [1001]
    assert await asyncio.to_thread(own_broker.wait) == 0


async def test_no_sockets_are_offered_on_http_2(broker: RunningBroker) -> None:
    async with await Connection.open(broker.port, broker.ca) as connection:
        assert not connection.http2.remote_settings.enable_connect_protocol


def is_quiet(place: Place) -> bool:
    """Tell if nobody takes anything any more."""
    return place.health()["size"] == place.health()["size"]


def ca_of(broker: RunningBroker, place: Place) -> Path | None:
    return broker.ca if place.url.startswith("https") else None


def path_of(place: Place) -> str:
    return urlsplit(place.url).path
