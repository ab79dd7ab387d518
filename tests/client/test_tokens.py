"""Clients of a broker that wants to know who they are."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from miniqueue_py import Client, NotAuthenticated, RightMissing, SyncClient, TokenRefused
from miniqueue_py.errors import BadParameter
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import Right
from miniqueue_py.http.access.secrets import digest_of, new_secret
from miniqueue_py.http.access.token_file import add_token, revoke_token
from miniqueue_py.http.access.token_line import TokenLine
from miniqueue_py.tls.paths import CertificatePaths
from tests.client.conftest import FLAGS
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio


class Guarded:
    """A broker with a file of tokens."""

    def __init__(self, broker: RunningBroker, path: Path, authority: Path) -> None:
        self.url = f"https://localhost:{broker.port}"
        self.path = path
        self.authority = authority
        self._names = 0

    def admit(self, **scopes: tuple[str, ...]) -> tuple[str, str]:
        """Return the name of a new token, and its secret."""
        self._names += 1
        name, secret = f"t{self._names}", new_secret()
        rights: dict[Right, tuple[str, ...]] = scopes  # type: ignore[assignment]  # named so
        line = TokenLine(Principal(name=name, scopes=rights), digest_of(secret.encode()))
        add_token(self.path, line)
        return name, secret

    async def wait_known(self, secret: str) -> None:
        """Wait until the broker has read what was written."""
        async with Client(self.url, ca=self.authority, token=secret) as queue:
            for _ in range(200):
                try:
                    _ = [topic async for topic in queue.topics()]
                except TokenRefused:
                    await anyio.sleep(0.02)
                else:
                    return
        raise AssertionError("the broker has not read the file")


@pytest.fixture(scope="module")
def guarded(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    path = directory / "tokens"
    path.touch(0o600)
    flags = (*FLAGS, "-tokens", str(path))
    with RunningBroker(directory / "db", certificates, flags=flags) as broker:
        yield Guarded(broker, path, certificates.authority)


async def test_what_is_missing_is_an_error_by_name(guarded: Guarded) -> None:
    _, secret = guarded.admit(publish=("orders",))
    await guarded.wait_known(secret)
    async with Client(guarded.url, ca=guarded.authority, token=secret) as queue:
        await queue.publish("orders", b"x")
        with pytest.raises(RightMissing, match="lacks the right publish") as lacks:
            await queue.publish("emails", b"x")
        with pytest.raises(RightMissing) as consuming:
            async with queue.subscribe("orders"):
                pass
        with pytest.raises(RightMissing) as batch:
            async with queue.publisher("emails") as publisher:
                await publisher.send(b"1")
    async with Client(guarded.url, ca=guarded.authority) as queue:
        with pytest.raises(NotAuthenticated, match="none came"):
            await queue.publish("orders", b"x")

    assert [(each.value.right, each.value.topic) for each in (lacks, consuming, batch)] == [
        ("publish", "emails"),
        ("consume", "orders"),
        ("publish", "emails"),
    ]


async def test_a_token_that_is_taken_away_is_got_anew(guarded: Guarded) -> None:
    both = {"publish": ("*",), "consume": ("*",)}
    name, first = guarded.admit(**both)
    _, second = guarded.admit(**both)
    await guarded.wait_known(second)
    given = [second, first]
    asked: list[str] = []

    async def token() -> str:
        await anyio.lowlevel.checkpoint()
        asked.append(given.pop())
        return asked[-1]

    topic = f"renewed-{name}"
    async with Client(guarded.url, ca=guarded.authority, token=token) as queue:
        async with (
            queue.subscribe(topic) as deliveries,
            queue.publisher(topic) as publisher,
        ):
            await publisher.send(b"1")
            await (await deliveries.receive()).ack()
            revoke_token(guarded.path, name)
            await anyio.sleep(1.0)  # the broker's word: within a second
            await publisher.send(b"2")
            with anyio.fail_after(10):
                delivery = await deliveries.receive()
            assert delivery.body == b"2"
            await delivery.ack()
        await queue.publish(topic, b"3")

    assert asked == [first, second]


async def test_a_new_token_that_is_no_better_is_not_tried_for_ever(guarded: Guarded) -> None:
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        return new_secret()

    async with Client(guarded.url, ca=guarded.authority, token=token) as queue:
        with pytest.raises(NotAuthenticated):
            await queue.publish("orders", b"x")

    assert len(asked) == 2  # the broker's health is told to any of them


async def test_a_token_that_cannot_travel_is_refused_here(guarded: Guarded) -> None:
    with pytest.raises(BadParameter, match="token"):
        Client(guarded.url, token="a\nb")  # noqa: S106  no secret
    with pytest.raises(BadParameter, match="token"):
        async with Client(guarded.url, ca=guarded.authority, token=lambda: ""):
            pass


async def test_a_client_without_await_renews_too(guarded: Guarded) -> None:
    _, secret = guarded.admit(publish=("*",))
    await guarded.wait_known(secret)

    def publish() -> str:
        with SyncClient(guarded.url, ca=guarded.authority, token=lambda: secret) as queue:
            return queue.publish("sync", b"x").message_id

    assert await anyio.to_thread.run_sync(publish)
