"""One request and its answer, whatever carries it.

A handler is called, and it calls; it has no task. The connection tells it what
comes, and it says what goes out in the same turn of the loop; what all
exchanges of a connection say in a turn leaves in one write.

Once its answer has ended, a handler is called no more: what the client still
sends is the connection's affair, which reads and drops it for a while, so that
every client sees the answer.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from miniqueue_py.errors import BodyCutShort, MessageTooLong, MiniqueueError

Header = tuple[bytes, bytes]
"""Name in lower case, and value."""

Answer = tuple[int, Sequence[Header], bytes]
"""Status, headers and body. A content-length is the handler's to say, where there may be one."""

INCREMENTAL: Header = (b"incremental", b"?1")
"""Of an answer that comes piece by piece: a proxy that knows it passes each on (RFC 10036)."""

LOOKS = frozenset({"GET", "HEAD"})
"""Methods that change nothing."""

ROOM_BYTES = 1 << 16
"""With more than this queued, a handler that could go on and on waits for `on_room`."""


class CertifiedClient(tuple[str, int]):  # noqa: SLOT001  a tuple has no room for a slot
    """The address and port of a peer that showed a client certificate in its handshake."""

    certificate: bytes
    """In DER; TLS has seen that a CA of -client-ca is behind it, and that the peer has its key."""


class Request:
    """What was asked for. Several exchanges may have one in common, so nobody changes it."""

    __slots__ = (
        "certificate",
        "client",
        "first",
        "headers",
        "host",
        "http_version",
        "method",
        "path",
        "query",
        "scheme",
    )

    def __init__(  # noqa: PLR0913, PLR0917  a request has as many parts
        self,
        method: str,
        path: bytes,
        query: bytes,
        headers: Sequence[Header],
        http_version: str,
        scheme: str,
        client: tuple[str, int],
        authority: bytes | None = None,
    ) -> None:
        self.method = method
        self.path = path
        """Raw: percent-encoded as it came, without the query."""
        self.query = query
        self.headers = headers
        self.first = dict(reversed(headers))
        """The first header of each (lower-case) name."""
        self.host = self.first.get(b"host", b"") if authority is None else authority
        """Whom it is for, as it is spelled: `:authority` of HTTP/2, or Host."""
        self.http_version = http_version
        """"2", "1.1" or "1.0"."""
        self.scheme = scheme
        self.client = client
        """The peer's address and port."""
        self.certificate = client.certificate if type(client) is CertifiedClient else b""
        """What the client showed, in DER; empty if it showed none."""

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path!r} by HTTP/{self.http_version}>"

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of that (lower-case) name."""
        return self.first.get(name)

    @property
    def declared_length(self) -> int | None:
        """How long the body is to be, if the client said so."""
        length = self.first.get(b"content-length")
        return int(length) if length is not None and length.isdigit() else None


class Exchange(Protocol):
    """A request that is being answered. On one whose client has gone, every verb does nothing."""

    request: Request

    @property
    def is_begun(self) -> bool:
        """True when the head of the answer was sent."""
        ...

    @property
    def is_over(self) -> bool:
        """True when the answer has ended, or the client has gone."""
        ...

    @property
    def queued(self) -> int:
        """Bytes of the answer that the client has not taken."""
        ...

    @property
    def is_crammed(self) -> bool:
        """True while the client has much to take of all that it asked for.

        Then a handler that could go on and on looks at `queued`, and waits for `on_room`
        however little of that is its own.
        """
        ...

    def respond(self, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
        """Send a whole answer. To HEAD its body is left out."""
        ...

    def begin(self, status: int, headers: Sequence[Header]) -> None:
        """Send the head of an answer; it leaves in this turn."""
        ...

    def send(self, data: bytes) -> None:
        """Send a piece of the body. Nothing waits: see `queued`."""
        ...

    def end(self, data: bytes = b"") -> None:
        """Send the last piece; the answer is over."""
        ...

    def fail(self, error: Exception) -> None:
        """Answer with what an error means, as the door has it; for what a handler cannot raise.

        That is whatever goes wrong when it is called by others than its connection.
        """
        ...

    def reset(self) -> None:
        """Break off an answer that was begun, so that the client does not take it for whole."""
        ...

    def grant(self, size: int) -> None:
        """Take note that so many bytes of the request's body were used: as many more may come."""
        ...

    def keep(self, size: int) -> None:
        """Take note that so many bytes of it are kept until it is whole, as `grant` otherwise.

        Then more comes as long as all that is kept has room in memory.
        """
        ...

    def when_room(self, start: Callable[[], None]) -> None:
        """Call `start` when the client has room for an answer of any length; perhaps now.

        Of a client that asks for pages and reads none, few are made.
        """
        ...


class Handler:
    """Who answers one exchange. This one hears everything and says nothing."""

    def on_body(self, chunk: bytes) -> None:
        """Take a piece of the request's body; `Exchange.grant` lets as much more come."""

    def on_end(self) -> None:
        """Take note that the request's body is whole."""

    def on_gone(self) -> None:
        """Take note that the client has gone, or gave the request up. Nothing follows."""

    def on_room(self) -> None:
        """Go on: the client has taken most of what was queued beyond ROOM_BYTES."""

    def close(self, reason: str) -> None:
        """End an answer that was begun, and say why in its last line, where it has lines."""

    def refusal(self, request: Request, error: MiniqueueError) -> Answer:
        """Return the answer that tells of an error."""
        from miniqueue_py.http.problems import problem_of  # noqa: PLC0415

        return problem_of(error, request.header(b"accept"))


class WholeBody(Handler):
    """A handler that wants the whole body of its request, of a bounded length.

    Raises MessageTooLong as soon as that is known, which answers the request.
    """

    def __init__(self, exchange: Exchange, longest: int) -> None:
        self.exchange = exchange
        self._longest = longest
        self._declared = exchange.request.declared_length
        self._chunks: list[bytes] = []
        self._size = 0

    def check_declared(self) -> None:
        """Refuse a length that is too long before anything of it comes. Raises MessageTooLong."""
        if self._declared is not None and self._declared > self._longest:
            raise self.too_long(self._longest)

    def on_body(self, chunk: bytes) -> None:
        self.exchange.keep(len(chunk))  # first: what came is granted also if it is refused
        self._size += len(chunk)
        if self._size > self._longest:
            raise self.too_long(self._longest)
        self._chunks.append(chunk)

    def on_end(self, chunk: bytes = b"") -> None:
        """Take the end, and perhaps the last piece with it, which nothing is granted for."""
        self._size += len(chunk)
        if self._size > self._longest:
            raise self.too_long(self._longest)
        if self._declared is not None and self._declared != self._size:
            raise BodyCutShort(self._declared, self._size)
        if self._chunks:
            if chunk:
                self._chunks.append(chunk)
            chunk = b"".join(self._chunks)
        self.on_whole(chunk)

    def on_whole(self, body: bytes) -> None:
        """Take the body, all of it."""
        raise NotImplementedError

    def too_long(self, limit: int) -> MessageTooLong:
        """Return what is wrong with a body that is longer."""
        return MessageTooLong(limit)
