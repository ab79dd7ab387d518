"""One stream of HTTP/2 as an exchange."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from miniqueue_py.http.exchange import ROOM_BYTES, Handler, Header, Request
from miniqueue_py.http.servers.dates import date_header
from miniqueue_py.http2.codec import INTERNAL_ERROR

if TYPE_CHECKING:
    from miniqueue_py.http.servers.http2_requests import Http2Requests

_STATUS = {int(each): (b":status", b"%d" % each) for each in HTTPStatus}

NOBODY = Handler()

LEAST_PROGRESS_BYTES = 1 << 12
"""Of an upload between two looks, while uploads wait for memory; otherwise a byte is enough."""


class Http2Exchange:
    """A request on a stream. The connection calls the handler; this says its answer."""

    __slots__ = (
        "_requests",
        "came",
        "dropped",
        "handler",
        "is_begun",
        "is_over",
        "is_page",
        "is_whole",
        "kept",
        "request",
        "stream_id",
    )

    def __init__(self, requests: "Http2Requests", stream_id: int, request: Request) -> None:
        self.request = request
        self.handler: Handler = NOBODY
        self.is_begun = False
        self.is_over = False
        self.is_page = False
        """Its answer is made as a whole, and may be large: see page_queue.py."""
        self.is_whole = False
        """The request's body has come to its end."""
        self.kept = 0
        """Bytes of it that the handler keeps until it is whole."""
        self.came = LEAST_PROGRESS_BYTES  # no less is asked of one that has just begun
        """Bytes of it since the connection looked last."""
        self.dropped = 0
        """Bytes that came when the answer was over."""
        self._requests = requests
        self.stream_id = stream_id

    def __repr__(self) -> str:
        return f"<Http2Exchange {self.stream_id}, {self.request!r}>"

    @property
    def queued(self) -> int:
        requests = self._requests
        queued = requests.codec.queued(self.stream_id)
        if queued > ROOM_BYTES or requests.is_crammed or (queued and requests.is_behind):
            requests.rooms.join(self)
        return queued

    @property
    def is_crammed(self) -> bool:
        requests = self._requests
        if not requests.is_behind:
            return requests.is_crammed
        return requests.is_crammed or requests.codec.queued(self.stream_id) > 0

    def respond(self, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
        if self.is_over:
            return
        requests = self._requests
        self.is_begun = True
        if body and self.request.method != "HEAD":
            requests.has_sent = True
            requests.codec.respond(self.stream_id, (_STATUS[status], date_header(), *headers))
            requests.codec.send(self.stream_id, body, ends=True)
        else:
            requests.codec.respond(
                self.stream_id, (_STATUS[status], date_header(), *headers), ends=True
            )
        requests.finish(self)

    def begin(self, status: int, headers: Sequence[Header]) -> None:
        if self.is_over:
            return
        self.is_begun = True
        self._requests.codec.respond(self.stream_id, (_STATUS[status], date_header(), *headers))
        self._requests.flush_soon()

    def send(self, data: bytes) -> None:
        if data and not self.is_over and self.request.method != "HEAD":
            self._requests.has_sent = True
            self._requests.codec.send(self.stream_id, data)
            self._requests.flush_soon()

    def end(self, data: bytes = b"") -> None:
        if not self.is_over:
            body = b"" if self.request.method == "HEAD" else data
            self._requests.has_sent = True
            self._requests.codec.send(self.stream_id, body, ends=True)
            self._requests.finish(self)

    def fail(self, error: Exception) -> None:
        self._requests.door.fail(self, self.handler, error)

    def reset(self) -> None:
        codec = self._requests.codec
        if not self.is_over:
            codec.reset(self.stream_id, INTERNAL_ERROR)
            self.is_whole = True  # nothing more comes of it
            self._requests.finish(self)
        elif codec.queued(self.stream_id):
            codec.reset(self.stream_id, INTERNAL_ERROR)
            self._requests.flush_soon()

    def grant(self, size: int) -> None:
        self._requests.codec.grant(self.stream_id, size)
        self._requests.flush_soon()

    def keep(self, size: int) -> None:
        self._requests.keep(self, size)

    def when_room(self, start: Callable[[], None]) -> None:
        self._requests.when_room(self, start)
