"""An HTTP/2 server for one test, that answers as the test says.

It shares nothing with the broker, and has none of its manners: what it sends is
what a test wants a client to meet.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from tests.client.threaded_server import ThreadedServer


@dataclass
class Request:
    """A request, as far as it has come."""

    connection: int
    """Which connection it came by, counted from 1."""
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    is_complete: bool = False


@dataclass(frozen=True)
class Answer:
    """What a request gets."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    stays_open: bool = False
    """Until the request ends."""
    goaway: bool = False
    """Behind the answer: this connection takes no further requests."""
    rubbish: bytes = b""
    """Behind the answer, past the state machine."""


_ALL = 2**31

Answerer = Callable[[Request], Answer | None]
"""Asked when a request's headers have come; if that gives nothing, at its end again."""


class Http2Server(ThreadedServer):
    """Speaks HTTP/2 by TLS with whoever comes."""

    def __init__(
        self,
        answer: Answerer,
        context: ssl.SSLContext,
        most_streams: int = 100,
    ) -> None:
        super().__init__(self._speak, context)
        self.requests: list[Request] = []
        self.streams_at_once: dict[int, int] = {}
        """The most that a connection ever had, by its number."""
        self.open_streams: dict[int, int] = {}
        """Those that have no end of an answer, by the number of the connection."""
        self.most_streams = most_streams
        self.answer = answer
        self._numbers = threading.Lock()

    def _speak(self, peer: socket.socket) -> None:
        with self._numbers:
            number = len(self.streams_at_once) + 1
            self.streams_at_once[number] = 0
        Conversation(self, number, peer).run()


class Conversation:
    """One connection."""

    def __init__(self, server: Http2Server, number: int, peer: socket.socket) -> None:
        self._server = server
        self._number = number
        self._peer = peer
        self._requests: dict[int, Request] = {}
        self._answered: set[int] = set()
        self._open: set[int] = set()
        self._last = _ALL
        """Streams behind this one are not listened to."""
        self._http2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )

    def run(self) -> None:
        most = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
        limits = {most: self._server.most_streams}
        self._http2.local_settings = h2.settings.Settings(client=False, initial_values=limits)
        self._http2.initiate_connection()
        self._flush()
        while data := self._peer.recv(1 << 16):
            try:
                events = self._http2.receive_data(data)
            except h2.exceptions.ProtocolError:
                self._flush()
                raise
            for event in events:
                self._take(event)
            self._server.open_streams[self._number] = len(self._open)
            self._flush()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=stream, headers=headers):
                named = {str(name): str(value) for name, value in headers or []}
                self._begin(stream or 0, named)
            case h2.events.DataReceived(stream_id=stream, data=data):
                self._requests[stream or 0].body += data or b""
                length = event.flow_controlled_length or 0
                self._http2.acknowledge_received_data(length, stream or 0)
            case h2.events.StreamEnded(stream_id=stream):
                self._finish(stream or 0)
            case h2.events.StreamReset(stream_id=stream):
                self._open.discard(stream or 0)
                self._answered.add(stream or 0)
            case _:
                pass

    def _begin(self, stream: int, headers: dict[str, str]) -> None:
        if stream > self._last:
            self._answered.add(stream)
        self._open.add(stream)
        most = self._server.streams_at_once
        most[self._number] = max(most[self._number], len(self._open))
        request = Request(self._number, headers[":method"], headers[":path"], headers)
        self._requests[stream] = request
        self._server.requests.append(request)
        self._answer(stream)

    def _finish(self, stream: int) -> None:
        self._requests[stream].is_complete = True
        if stream in self._answered and stream in self._open:
            self._open.discard(stream)
            self._http2.end_stream(stream)
        self._answer(stream)

    def _answer(self, stream: int) -> None:
        if stream in self._answered or stream > self._last:
            return
        answer = self._server.answer(self._requests[stream])
        if answer is None:
            return
        self._answered.add(stream)
        ends = not answer.stays_open
        head = [(":status", str(answer.status)), *answer.headers.items()]
        self._http2.send_headers(stream, head, end_stream=ends and not answer.body)
        if answer.body:
            self._http2.send_data(stream, answer.body, end_stream=ends)
        if ends:
            self._open.discard(stream)
        if answer.goaway:
            # h2 takes it for the end; a server goes on with what it has begun.
            self._flush()
            self._peer.sendall(_goaway(stream))
            self._last = stream
        if answer.rubbish:
            self._flush()
            self._peer.sendall(answer.rubbish)

    def _flush(self) -> None:
        self._peer.sendall(self._http2.data_to_send())


def json_answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    shown = {"content-type": "application/json"} | dict(headers or {})
    return Answer(status, json.dumps(value).encode(), shown)


def _goaway(last_stream: int) -> bytes:
    payload = last_stream.to_bytes(4, "big") + bytes(4)
    return len(payload).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + payload
