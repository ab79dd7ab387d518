"""/publish and /subscribe as plain ASGI, in front of the Quart application.

A Quart request object costs more than everything else about a publish, and
its timeouts cut streams. Whatever else is asked for goes on to `fallback`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication
from miniqueue_py.errors import ShuttingDown
from miniqueue_py.http.asgi import (
    App,
    Receive,
    Scope,
    Send,
    declared_length,
    header,
    read_body,
    respond,
)
from miniqueue_py.http.batch import Batch, reader_of
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.problems import Headers, problem
from miniqueue_py.http.refusing import publishing_to
from miniqueue_py.http.subscription import Subscription
from miniqueue_py.http.terms import key_of, lease_of, terms_of

_Handler = Callable[[bytes, Scope, Receive, Send], Awaitable[None]]

_PUBLISH = b"/publish/"
_SUBSCRIBE = b"/subscribe/"

_BATCH = b"/batch"

_EMPTY = (b"content-length", b"0")
_DUPLICATE = (b"miniqueue-duplicate", b"true")
_NOTHING = {"type": "http.response.body", "body": b"", "more_body": False}

DUPLEX_NEEDED = (
    "subscribing needs HTTP/2, or HTTP/1.1 with a chunked request body: commands and "
    "deliveries travel at the same time (try curl --http2 -T .)"
)


class Streams:
    """The hot paths of the wire."""

    def __init__(
        self,
        broker: Broker,
        fallback: App,
        *,
        drain_seconds: float,
        on_error: Callable[[str, Exception], None],
    ) -> None:
        self._broker = broker
        self._fallback = fallback
        self._drain_seconds = drain_seconds
        self._on_error = on_error
        self._uploads: set[Callable[[], object]] = set()
        """What abandons each."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"] or b""
        handler, segment = self._stream_at(path)
        if handler is None:
            await self._fallback(scope, receive, send)
        elif scope["method"] != "POST":
            await respond(send, *_use_post(scope["method"]))
        else:
            await handler(segment, scope, receive, send)

    def abandon_uploads(self) -> None:
        """Answer those who still send a message that cannot be taken any more."""
        for abandon in list(self._uploads):
            abandon()

    def _stream_at(self, path: bytes) -> tuple[_Handler | None, bytes]:
        """Return who answers at that path, and the segment that names the topic."""
        if path.startswith(_PUBLISH):
            segment = path[len(_PUBLISH) :]
            if b"/" not in segment:
                return self._publish, segment
            segment = segment.removesuffix(_BATCH)
            return (self._publish_batch, segment) if b"/" not in segment else (None, b"")
        segment = path[len(_SUBSCRIBE) :]
        if path.startswith(_SUBSCRIBE) and b"/" not in segment:
            return self._subscribe, segment
        return None, b""

    async def _publish(self, segment: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        with publishing_to(self._broker, segment) as topic:
            priority, delay_seconds, ttl_seconds = terms_of(scope)
            key = key_of(scope)
            body = await self._upload(scope, receive)
        publication = Publication((body,), priority, delay_seconds, ttl_seconds, key)
        [stored] = await self._broker.publish(topic, (publication,))
        headers = [_EMPTY, (b"miniqueue-message-id", b"%d-%d" % stored.id)]
        if stored.is_duplicate:
            headers.append(_DUPLICATE)
        status = 200 if stored.is_duplicate else 201
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send(_NOTHING)

    async def _publish_batch(
        self, segment: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        with publishing_to(self._broker, segment) as topic:
            if self._broker.is_draining:
                raise ShuttingDown
            lines = reader_of(scope, self._broker.limits.max_message_bytes)
            key = key_of(scope)
            terms = terms_of(scope)
        batch = Batch(
            self._broker,
            topic,
            lines,
            receive,
            send,
            terms=terms,
            declared_bytes=declared_length(scope),
            on_error=lambda error: self._on_error(scope["path"], error),
        )
        with self._abandonable(batch.abandon):
            if key is None:
                await batch.run()
                return
            with self._broker.batches.go_on(topic, key, batch.give_way) as writer:
                await batch.run(writer)

    async def _upload(self, scope: Scope, receive: Receive) -> bytes:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine that runs has one
        with self._abandonable(task.cancel):
            try:
                return await read_body(scope, receive, self._broker.limits.max_message_bytes)
            except asyncio.CancelledError:
                if not self._broker.is_draining:
                    raise
                task.uncancel()
                raise ShuttingDown from None

    @contextmanager
    def _abandonable(self, abandon: Callable[[], object]) -> Iterator[None]:
        """Let `abandon_uploads` end what the block does."""
        self._uploads.add(abandon)
        try:
            yield
        finally:
            self._uploads.discard(abandon)

    async def _subscribe(self, segment: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        topic = topic_name(segment)
        if not _can_duplex(scope):
            await respond(send, *problem(505, DUPLEX_NEEDED))
            return
        lease_seconds = lease_of(scope)
        await Subscription(
            self._broker,
            topic,
            receive,
            send,
            lease_seconds=lease_seconds,
            drain_seconds=self._drain_seconds,
            on_error=lambda error: self._on_error(scope["path"], error),
        ).run()


def _use_post(method: str) -> tuple[int, Headers, bytes]:
    status, headers, body = problem(405, f"{method} is not allowed: use POST")
    return status, [*headers, (b"allow", b"POST")], body


def _can_duplex(scope: Scope) -> bool:
    if scope["http_version"] in ("2", "2.0"):
        return True
    coding = header(scope, b"transfer-encoding")
    return scope["http_version"] == "1.1" and coding is not None and b"chunked" in coding.lower()
