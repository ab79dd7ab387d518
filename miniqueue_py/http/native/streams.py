"""The hot paths, in front of the pages: who answers at which.

A Quart request object costs more than everything else about a publish. So what
is hot has a handler of its own, found by the first segment of its path, and
whatever else is asked for goes on to `fallback`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError, ShuttingDown
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.native import guarded
from miniqueue_py.http.door import Route
from miniqueue_py.http.exchange import Exchange, Handler, Request
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.native.batch import Batch
from miniqueue_py.http.native.batch_formats import reader_of
from miniqueue_py.http.native.health import Health
from miniqueue_py.http.native.publish import Publish
from miniqueue_py.http.native.receiving import LONGEST_WAIT_SECONDS, Receive, Settle
from miniqueue_py.http.native.subscription import Subscription
from miniqueue_py.http.native.terms import batch_terms_of, key_of, subscription_terms
from miniqueue_py.http.native.uploads import Uploads
from miniqueue_py.http.problems import problem
from miniqueue_py.http.refusing import publishing_to

Below = Callable[[Exchange, bytes], Handler]
"""Returns who answers, and is told the rest of the path."""

_BATCH = b"/batch"

_KNOWN_NAMES = 1000
"""Segments whose topics are known without a look."""

DUPLEX_NEEDED = (
    "subscribing needs HTTP/2, or HTTP/1.1 with a chunked request body: commands and "
    "deliveries travel at the same time (try curl --http2 -T .)"
)


class Streams:
    """The hot paths of the wire."""

    def __init__(  # noqa: PLR0913  handed in by the one place that makes it
        self,
        broker: Broker,
        fallback: Route,
        *,
        drain_seconds: float,
        max_wait_seconds: float = LONGEST_WAIT_SECONDS,
        on_error: Callable[[str, Exception], None],
        folders: Mapping[bytes, Below] | None = None,
        access: Access | None = None,
    ) -> None:
        self._broker = broker
        self._fallback = Health(broker, fallback, is_discreet=access is not None).route
        self._drain_seconds = drain_seconds
        self._max_wait_seconds = max_wait_seconds
        self._on_error = on_error
        self._topic_name = lru_cache(_KNOWN_NAMES)(topic_name)
        self._uploads: Uploads = set()
        own: dict[bytes, Below] = {
            b"publish": self._publish,
            b"subscribe": self._subscribe,
            b"receive": self._receive,
            b"settle": self._settle,
        }
        if access is not None:
            own = {
                name: guarded(access, name, below, self._topic_name) for name, below in own.items()
            }
        self._folders: dict[bytes, Below] = {**own, **(folders or {})}

    def __repr__(self) -> str:
        return f"<Streams, {len(self._uploads)} uploads>"

    def route(self, exchange: Exchange) -> Handler:
        """Return who answers. Raises MiniqueueError."""
        segments = exchange.request.path.split(b"/", 2)
        if len(segments) == 3 and not segments[0]:  # noqa: PLR2004  "/folder/rest"
            below = self._folders.get(segments[1])
            if below is not None:
                return below(exchange, segments[2])
        return self._fallback(exchange)

    def abandon_uploads(self) -> None:
        """Answer those who still send a message that cannot be taken any more."""
        for upload in list(self._uploads):
            upload.abandon()

    def _publish(self, exchange: Exchange, rest: bytes) -> Handler:
        if b"/" in rest:
            segment = rest.removesuffix(_BATCH)
            return self._fallback(exchange) if b"/" in segment else self._batch(exchange, segment)
        if exchange.request.method != "POST":
            return _use_post(exchange)
        topic = ""
        try:
            topic = self._topic_name(rest)
            return Publish(exchange, self._broker, topic, self._uploads)
        except MiniqueueError as error:  # before the broker sees it, which tells of others itself
            self._broker.reports.refused(topic, error)
            raise

    def _batch(self, exchange: Exchange, segment: bytes) -> Handler:
        request = exchange.request
        if request.method != "POST":
            return _use_post(exchange)
        with publishing_to(self._broker, segment) as topic:
            if self._broker.is_draining:
                raise ShuttingDown
            lines = reader_of(request, self._broker.limits.max_message_bytes)
            key = key_of(request)
            terms = batch_terms_of(request)
        return Batch(
            exchange,
            self._broker,
            topic,
            lines,
            terms=terms,
            key=key,
            on_error=self._teller(request),
            uploads=self._uploads,
        )

    def _subscribe(self, exchange: Exchange, rest: bytes) -> Handler:
        request = exchange.request
        if b"/" in rest:
            return self._fallback(exchange)
        if request.method != "POST":
            return _use_post(exchange)
        topic = self._topic_name(rest)
        if not _can_duplex(request):
            exchange.respond(*problem(505, DUPLEX_NEEDED, accept=request.header(b"accept")))
            return Handler()
        lease_seconds, heartbeat_seconds = subscription_terms(request)
        return Subscription(
            exchange,
            self._broker,
            topic,
            lease_seconds=lease_seconds,
            heartbeat_seconds=heartbeat_seconds,
            drain_seconds=self._drain_seconds,
            on_error=self._teller(request),
        )

    def _receive(self, exchange: Exchange, rest: bytes) -> Handler:
        return self._one_answer(partial(Receive, self._max_wait_seconds), exchange, rest)

    def _settle(self, exchange: Exchange, rest: bytes) -> Handler:
        return self._one_answer(Settle, exchange, rest)

    def _one_answer(
        self, verb: Callable[[Exchange, Broker, str], Handler], exchange: Exchange, rest: bytes
    ) -> Handler:
        if b"/" in rest or not rest:
            return self._fallback(exchange)
        if exchange.request.method != "POST":
            return _use_post(exchange)
        return verb(exchange, self._broker, self._topic_name(rest))

    def _teller(self, request: Request) -> Callable[[Exception], None]:
        """Return what tells of an error that nobody foresaw, on a stream that was begun."""
        return partial(self._on_error, request.path.decode("latin-1"))


def _use_post(exchange: Exchange) -> Handler:
    request = exchange.request
    text = f"{request.method} is not allowed: use POST"
    status, headers, body = problem(405, text, accept=request.header(b"accept"))
    exchange.respond(status, [*headers, (b"allow", b"POST")], body)
    return Handler()


def _can_duplex(request: Request) -> bool:
    if request.http_version == "2":
        return True
    coding = request.header(b"transfer-encoding")
    return request.http_version == "1.1" and coding is not None and b"chunked" in coding.lower()
