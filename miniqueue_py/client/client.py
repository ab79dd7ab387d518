"""The client: what a program says to a broker, in a few verbs.

async with Client("https://localhost:8080", ca="certs/ca.pem") as queue:
    await queue.publish("emails", b"hello", delay=30, priority=5, key="order-17")
    async with queue.subscribe("emails", credit=100) as deliveries:
        async for delivery in deliveries:
            await delivery.ack()
"""

from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import NamedTuple, Self

import anyio
from anyio.abc import TaskGroup

from miniqueue_py.client.errors import CannotConnect, ClientClosed, Misuse, NotABroker
from miniqueue_py.client.http2.connections import Connections
from miniqueue_py.client.http2.requests import Answer, Requests
from miniqueue_py.client.http2.tls import Address, Trust
from miniqueue_py.client.operations import Operations, segment
from miniqueue_py.client.publisher import Publisher
from miniqueue_py.client.subscription import Subscription
from miniqueue_py.client.terms import Terms, as_body
from miniqueue_py.client.threads import Owner
from miniqueue_py.client.token import Token, TokenLike
from miniqueue_py.errors import BadParameter

GOODBYE_SECONDS = 2.0
"""For the last settlements to leave, when a client is closed."""

SILENCE_SECONDS = 15.0
"""After so long without a word the broker is asked for one, and after as long again given up."""

MOST_CREDIT = 10_000
"""The broker has no more in flight on one stream, whatever it is asked for."""

SHORTEST_LEASE = 0.001
LONGEST_LEASE = 86_400.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message that is stored."""

    message_id: str
    is_duplicate: bool
    """Its key was known: this is the message that was published with it first."""


class Client(Operations):
    """A connection to a broker, that comes back, and as many more as it takes.

    `ca` is a file of authorities to trust, without it those of the system. `pin`
    is the broker's own certificate, to trust that alone. `certificate` and `key`
    are ours, for a broker that wants one. `token` goes along as `Authorization:
    Bearer`: a text, or a function that gets one, which is asked again when the
    broker refuses one that it took before. What has no answer after
    `timeout_seconds` raises NoAnswer. With `wait_when_full` off a topic that is
    full raises TopicFull at once.

    Any task of the event loop may use it. Raises BadParameter for files that
    cannot be read; entering raises CannotConnect, by its kinds.
    """

    def __init__(  # noqa: PLR0913  each has a default, and is named by the caller
        self,
        url: str = "https://localhost:8080",
        *,
        ca: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        pin: str | Path | None = None,
        token: TokenLike | None = None,
        timeout_seconds: float = 30.0,
        wait_when_full: bool = True,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self.url = url
        self._address = Address.of(url)
        self._trust = Trust(ca=ca, certificate=certificate, key=key, pin=pin)
        self._token = Token(token)
        self._timeout_seconds = timeout_seconds
        self._wait_when_full = wait_when_full
        self._silence_seconds = silence_seconds
        self._longest_message = 0
        self._owner: Owner | None = None
        self._tasks: TaskGroup | None = None
        self._opened: _Opened | None = None

    def __repr__(self) -> str:
        return f"<Client of {self.url}, {'closed' if self._opened is None else 'open'}>"

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise Misuse("this client is open already: enter it once, and share it")
        connections = Connections(self._address, self._trust, self._token, self._silence_seconds)
        requests = Requests(
            connections,
            str(self._address),
            timeout_seconds=self._timeout_seconds,
            wait_when_full=self._wait_when_full,
        )
        self._owner = owner = Owner()
        self._tasks = tasks = anyio.create_task_group()
        await tasks.__aenter__()
        connections.begin(tasks)
        try:
            self._longest_message = await _greet(requests, self._address)
        except BaseException as error:
            connections.abort()
            await self._leave(type(error), error, error.__traceback__)
            raise
        self._opened = _Opened(requests, owner)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._owner is None:
            raise ClientClosed("client")
        self._owner.check_task()
        opened, self._opened = self._opened, None
        try:
            if opened is not None:
                connections = opened.requests.connections
                with anyio.move_on_after(GOODBYE_SECONDS, shield=True):
                    await connections.close()
                connections.abort()
        finally:
            await self._leave(kind, error, traceback)

    async def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the tasks. Theirs is no error of their own, so the block's comes out as it is."""
        tasks, self._tasks = self._tasks, None
        if tasks is None:
            return
        tasks.cancel_scope.cancel()
        try:
            await tasks.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            if error is None or group.split(lambda each: each is error)[1] is not None:
                raise

    async def publish(  # noqa: PLR0913  terms of a message, named by the caller
        self,
        topic: str,
        body: bytes | str,
        *,
        delay: float | None = None,
        ttl: float | None = None,
        priority: int | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Publish a message, and return when it is stored.

        Many at once share a connection: run them in tasks. Each has a key, its
        own if you give none, so that it can be repeated when a connection is
        lost. `delay` and `ttl` are seconds. Raises BadRequest (MessageTooLong
        before it is sent), Contradiction, TopicFull, and NoAnswer.
        """
        requests, _ = self._open()
        data = as_body(body, self._longest_message)
        path = f"/publish/{segment(topic)}{Terms(delay, ttl, priority, key).check().query}"
        headers = (("idempotency-key", token_hex(12) if key is None else key),)
        answer = await requests.ask("POST", path, data, headers)
        message_id = answer.headers.get("miniqueue-message-id")
        if message_id is None:
            raise NotABroker(str(self._address), "it gave a message no id")
        return Receipt(message_id, key is not None and "miniqueue-duplicate" in answer.headers)

    def publisher(
        self,
        topic: str,
        *,
        delay: float | None = None,
        ttl: float | None = None,
        priority: int | None = None,
    ) -> Publisher:
        """Return a stream of messages to a topic, with these terms for all that say no others."""
        requests, owner = self._open()
        segment(topic)
        common = Terms(delay, ttl, priority).check()
        longest = self._longest_message
        return Publisher(requests, owner, topic, common, longest=longest)

    def subscribe(
        self, topic: str, *, credit: int = 100, lease: float | None = None
    ) -> Subscription:
        """Return the topic's messages, to be taken inside an `async with` block.

        `credit` is how many are in flight at the same time: on their way, waiting
        here, and with you. `lease` is how many seconds you may hold each, from
        when the broker hands it out; without it as long as the connection lasts,
        or as the topic's policy says. Raises BadParameter.
        """
        requests, owner = self._open()
        segment(topic)
        if not 1 <= credit <= MOST_CREDIT:
            raise BadParameter("credit", f"is {credit}, not 1 to {MOST_CREDIT}")
        if lease is not None and not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
            problem = f"is {lease} s, not {SHORTEST_LEASE:g} to {LONGEST_LEASE:g}"
            raise BadParameter("lease", problem)
        return Subscription(requests, owner, topic, credit=credit, lease=lease)

    def _open(self) -> "_Opened":
        """Return what asks the broker. Raises ClientClosed and WrongThread."""
        if self._opened is None:
            raise ClientClosed("client")
        self._opened.owner.check_loop()
        return self._opened

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        topic: str = "",
        is_repeatable: bool = True,
    ) -> Answer:
        return await self._open().requests.ask(
            method, path, body, topic=topic, is_repeatable=is_repeatable
        )


class _Opened(NamedTuple):
    """What is there between entering and leaving."""

    requests: Requests
    owner: Owner


async def _greet(requests: Requests, address: Address) -> int:
    """Make sure that this is a broker, and return the longest message it takes."""
    try:
        with anyio.fail_after(requests.timeout_seconds):
            answer = await requests.ask_once("GET", "/healthz")
    except TimeoutError as error:
        problem = f"it did not answer within {requests.timeout_seconds:g} s"
        raise CannotConnect(str(address), problem) from error
    longest = answer.headers.get("miniqueue-max-message", "")
    if not longest.isdecimal():
        raise NotABroker(str(address), "it speaks HTTP/2, and is no miniqueue broker")
    return int(longest)
