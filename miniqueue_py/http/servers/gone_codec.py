"""What stands in a codec's place when its connection is lost: every verb does nothing.

A codec and who hears it know each other. Left to the garbage collector, what
10,000 streams had queued stayed for minutes.
"""

from miniqueue_py.errors import ConnectionLost
from miniqueue_py.http2.codec import NO_ERROR, Codec, Headers


class _GoneCodec:
    """No connection."""

    is_broken = True
    wants_take = False

    def feed(self, data: bytes) -> None:
        """Hear nothing."""

    def dispatch(self, most_headers: int) -> bool:  # noqa: ARG002  the codec's word, as below
        return False

    def take(self, most: int) -> bytes:  # noqa: ARG002
        return b""

    def open(self, headers: Headers, *, ends: bool = False) -> int:  # noqa: ARG002
        raise ConnectionLost("it has ended")

    def respond(self, stream_id: int, headers: Headers, *, ends: bool = False) -> None:
        """Say nothing, as all below."""

    def inform(self, stream_id: int, headers: Headers) -> None: ...

    def send(self, stream_id: int, data: bytes, *, ends: bool = False) -> None: ...

    def reset(self, stream_id: int, code: int) -> None: ...

    def grant(self, stream_id: int, size: int) -> None: ...

    def queued(self, stream_id: int) -> int:  # noqa: ARG002
        return 0

    def queued_in_all(self) -> int:
        return 0

    def ping(self, data: bytes) -> None: ...

    def end(self, code: int = NO_ERROR) -> None: ...


GONE: Codec = _GoneCodec()
