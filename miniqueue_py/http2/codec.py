"""What an HTTP/2 codec does: bytes in, calls to a receiver, and bytes out.

A codec knows frames, windows and the states of streams; it knows no verb of
ours, no socket and no clock. It is the same for a client and a server: a
server's streams begin with the peer's headers, a client's with its own.

`feed` only parses. `dispatch` tells the receiver what came, a bounded part at
a time, so that one connection cannot keep the others waiting; what the
receiver says meanwhile is queued, and leaves by `take`.

Flow control is the receiver's: a window opens again only by `grant`, when
what came was used; every byte that was told is granted once, sooner or later.
`testing/check_codec.py` holds every codec to this page.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

Headers = Iterable[tuple[bytes, bytes]]
"""Names in lower case, pseudo-headers first."""

NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
INTERNAL_ERROR = 0x2
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
ENHANCE_YOUR_CALM = 0xB
"""RFC 9113, section 7."""

ERROR_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
"""By their numbers."""

HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
"""RFC 9113, section 6.5.2."""


class Receiver(Protocol):
    """Who is told what came. It may call the codec from any of these."""

    def on_headers(
        self, stream_id: int, headers: tuple[tuple[bytes, bytes], ...], ends: bool
    ) -> None:
        """Take a request, or the final response to one. Interim responses are not told."""
        ...

    def on_data(self, stream_id: int, data: bytes, ends: bool) -> None:
        """Take a piece of a body; one may be empty, and where `ends` it often is.

        Trailers are not told, but as an end.
        """
        ...

    def on_closed(self, stream_id: int, code: int) -> None:
        """Forget a stream that broke: the peer reset it, or what came on it was malformed.

        Told once, and not of a stream that both sides ended, nor of one that `reset`
        ended. A stream whose very head was malformed, or that was reset before its turn
        came, was never told to begin.
        """
        ...

    def on_window(self, stream_id: int) -> None:
        """Know that the peer takes more: of that stream, or of all if it is 0."""
        ...

    def on_settings(self, settings: Mapping[int, int]) -> None:
        """Know what the peer set; `on_window` follows."""
        ...

    def on_ping(self) -> None:
        """Know that a PING came; its answer is queued already."""
        ...

    def on_pong(self, data: bytes) -> None:
        """Take the answer to `Codec.ping`."""
        ...

    def on_goaway(self, last_stream_id: int, code: int) -> None:
        """Know that the peer takes no new streams, and does nothing of those above that one.

        These are told as `on_closed` behind this; the others go on.
        """
        ...


class Codec(Protocol):
    """One connection's frames."""

    @property
    def is_broken(self) -> bool:
        """Tell if the connection is of no use: send what `take` has left, then close it.

        It becomes so in any call here, and when the peer said GOAWAY and the last stream
        is over; ask when `take` has nothing more.
        """
        ...

    @property
    def wants_take(self) -> bool:
        """Tell if there is something in `take` now. It may be asked after each read."""
        ...

    def feed(self, data: bytes) -> None:
        """Parse what came. What is no HTTP/2 makes it broken; nothing behind it is told."""
        ...

    def dispatch(self, most_headers: int) -> bool:
        """Tell the receiver what came, until so many streams have begun; tell if there is more.

        Of a stream that was reset before its turn came, only its end is told.
        """
        ...

    def take(self, most: int) -> bytes:
        """Return up to `most` bytes to send; b"" if there is nothing to say now.

        This too may tell `on_closed`: a malformed stream closes when that is said.
        """
        ...

    def open(self, headers: Headers, *, ends: bool = False) -> int:
        """Begin a stream (a client's verb) and return its number.

        Raises ConnectionLost (errors.py) when none can be begun. The caller keeps to the
        peer's MAX_CONCURRENT_STREAMS: beyond it, a stream waits or cannot be begun.
        """
        ...

    def respond(self, stream_id: int, headers: Headers, *, ends: bool = False) -> None:
        """Send a response's head (a server's verb); nothing happens on a stream that is gone."""
        ...

    def inform(self, stream_id: int, headers: Headers) -> None:
        """Send an interim response, such as 100."""
        ...

    def send(self, stream_id: int, data: bytes, *, ends: bool = False) -> None:
        """Queue a piece of a body, as windows allow; nothing happens on a stream that is gone.

        A server's streams take turns. A client's may be sent one after the other, so it
        keeps what is queued of each (`queued`) below what the others can wait for.
        """
        ...

    def reset(self, stream_id: int, code: int) -> None:
        """End a stream at once, whatever is queued. Idempotent."""
        ...

    def grant(self, stream_id: int, size: int) -> None:
        """Let the peer send so many bytes more, of that stream and of the connection.

        On a stream that is gone the connection's window is given back all the same.
        """
        ...

    def queued(self, stream_id: int) -> int:
        """Return how many bytes of a body were sent here and not taken by `take` yet."""
        ...

    def queued_in_all(self) -> int:
        """Return that of all streams together, at the price of one."""
        ...

    def ping(self, data: bytes) -> None:
        """Ask for a sign of life; 8 bytes."""
        ...

    def end(self, code: int = NO_ERROR) -> None:
        """Say GOAWAY: it is broken from now on, and nothing more is told.

        What was sent before and fits the windows leaves first.
        """
        ...
