"""How checks of a codec speak: two codecs joined in memory, or one and frames made by hand."""

from collections.abc import Iterable, Mapping

from miniqueue_py.errors import ConnectionLost
from miniqueue_py.http2.choose import NewCodec
from miniqueue_py.http2.codec import (
    ENABLE_PUSH,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    Codec,
    Headers,
)

REQUEST = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":authority", b"localhost"),
    (b":path", b"/publish/topic"),
]
ANSWER = [(b":status", b"200"), (b"content-type", b"text/plain")]

WINDOW = 1 << 16
CONNECTION_WINDOW = 1 << 18
PIECE = 1 << 16
MANY = 1 << 30

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Told = tuple[object, ...]


class Recorder:
    """A receiver that writes down what it is told, and grants it unless it is told not to."""

    def __init__(self, *, grants: bool = True) -> None:
        self.told: list[Told] = []
        self.grants = grants
        self.codec: Codec

    def on_headers(
        self, stream_id: int, headers: tuple[tuple[bytes, bytes], ...], ends: bool
    ) -> None:
        self.told.append(("headers", stream_id, headers, ends))

    def on_data(self, stream_id: int, data: bytes, ends: bool) -> None:
        self.told.append(("data", stream_id, data, ends))
        if self.grants and data:
            self.codec.grant(stream_id, len(data))

    def on_closed(self, stream_id: int, code: int) -> None:
        self.told.append(("closed", stream_id, code))

    def on_window(self, stream_id: int) -> None:
        self.told.append(("window", stream_id))

    def on_settings(self, settings: Mapping[int, int]) -> None:
        self.told.append(("settings", dict(settings)))

    def on_ping(self) -> None:
        self.told.append(("ping",))

    def on_pong(self, data: bytes) -> None:
        self.told.append(("pong", data))

    def on_goaway(self, last_stream_id: int, code: int) -> None:
        self.told.append(("goaway", last_stream_id, code))

    def begun(self) -> list[int]:
        """Return the streams that were told to begin."""
        return [int(str(each[1])) for each in self.told if each[0] == "headers"]

    def body(self, stream_id: int) -> bytes:
        """Return what came of a body."""
        return b"".join(
            bytes(data) for _, data, _ in self._pieces(stream_id) if isinstance(data, bytes)
        )

    def has_ended(self, stream_id: int) -> bool:
        """Tell if the end was told, exactly once and behind everything else."""
        ends = [
            each[3] for each in self.told if each[0] in {"headers", "data"} and each[1] == stream_id
        ]
        return ends.count(True) == 1 and bool(ends[-1])

    def closed(self, stream_id: int) -> list[object]:
        """Return the codes with which a stream was told to have broken."""
        return [each[2] for each in self.told if each[0] == "closed" and each[1] == stream_id]

    def _pieces(self, stream_id: int) -> list[Told]:
        return [each[1:] for each in self.told if each[0] == "data" and each[1] == stream_id]


class Side(Recorder):
    """A recorder and its codec."""

    def __init__(  # noqa: PLR0913  what a codec and a recorder take
        self,
        new: NewCodec,
        *,
        is_client: bool,
        window: int = WINDOW,
        connection_window: int = CONNECTION_WINDOW,
        most_streams: int = 100_000,
        grants: bool = True,
    ) -> None:
        super().__init__(grants=grants)
        own = {ENABLE_PUSH: 0} if is_client else {MAX_CONCURRENT_STREAMS: most_streams}
        self.codec = new(
            self,
            is_client=is_client,
            settings={INITIAL_WINDOW_SIZE: window, **own},
            connection_window=connection_window,
        )

    def hear(self, data: bytes) -> None:
        """Feed it, and have it tell everything."""
        self.codec.feed(data)
        while self.codec.dispatch(MANY):
            pass

    def say(self) -> bytes:
        """Return all that it has to say now."""
        said = b""
        while data := self.codec.take(PIECE):
            said += data
        return said


def exchange(client: Side, server: Side, *, piece: int = PIECE) -> None:
    """Carry bytes both ways until both are silent."""
    is_talking = True
    while is_talking:
        is_talking = False
        for one, other in ((client, server), (server, client)):
            said = one.say()
            for start in range(0, len(said), piece):
                other.hear(said[start : start + piece])
            is_talking = is_talking or bool(said)


def joined(new_client: NewCodec, new_server: NewCodec) -> tuple[Side, Side]:
    """Return a client and a server that have greeted each other."""
    return greeted(Side(new_client, is_client=True), Side(new_server, is_client=False))


def greeted(client: Side, server: Side) -> tuple[Side, Side]:
    exchange(client, server)
    client.told.clear()
    server.told.clear()
    return client, server


def takes_no_more(client: Side) -> bool:
    """Tell if it cannot begin a stream."""
    try:
        client.codec.open(REQUEST)
    except ConnectionLost:
        return True
    return False


# Frames made by hand.


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream_id.to_bytes(4, "big") + payload


def data(stream_id: int, payload: bytes, *, ends: bool = False) -> bytes:
    return frame(0, int(ends), stream_id, payload)


def head(stream_id: int, headers: Headers = REQUEST, *, ends: bool = False) -> bytes:
    """Return HEADERS, without compression."""
    return frame(1, 0x4 | int(ends), stream_id, block(headers))


def block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(
        b"\0" + _length(name) + name + _length(value) + value for name, value in headers
    )


def reset(stream_id: int, code: int = 8) -> bytes:
    return frame(3, 0, stream_id, code.to_bytes(4, "big"))


def window_update(stream_id: int, size: int) -> bytes:
    return frame(8, 0, stream_id, size.to_bytes(4, "big"))


def goaway(last_stream_id: int, code: int = 0) -> bytes:
    return frame(7, 0, 0, last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big"))


SETTINGS = frame(4, 0, 0)
PING = frame(6, 0, 0, b"12345678")


def new_server(new: NewCodec) -> Side:
    """Return a server that heard a client's greeting, and whose own was taken."""
    server = Side(new, is_client=False)
    server.hear(PREFACE + SETTINGS)
    server.say()
    return server


def frames_of(said: bytes) -> list[tuple[int, int, int, bytes]]:
    """Cut what was said into kind, flags, stream and payload."""
    found = []
    while said:
        end = 9 + int.from_bytes(said[:3], "big")
        found.append((said[3], said[4], int.from_bytes(said[5:9], "big"), said[9:end]))
        said = said[end:]
    return found


def goaway_code(said: bytes) -> int:
    """Return the code of the GOAWAY that is the last thing said."""
    kind, _, _, payload = frames_of(said)[-1]
    assert kind == 7, frames_of(said)
    return int.from_bytes(payload[4:8], "big")


def _length(text: bytes) -> bytes:
    """Return a length as HPACK writes it, in seven bits and then seven at a time."""
    size = len(text)
    if size < 127:
        return bytes([size])
    size -= 127
    written = [127]
    while size >= 128:
        written.append(size % 128 + 128)
        size //= 128
    return bytes([*written, size])
