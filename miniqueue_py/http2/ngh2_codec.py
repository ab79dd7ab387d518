"""The codec on ngh2, which is libnghttp2; no other file imports that.

The engine parses, schedules and keeps `limits.py` by itself; here its
events become calls, and its exceptions become what `codec.py` promises.

What one would not expect of ngh2 0.3, as tried:

- It closes a stream when END_STREAM or RST_STREAM *leaves*: so events come up
  in `take` too.
- A violation that it answers by a GOAWAY shows when that has left; until then
  it parses nothing more. One that raises makes the engine useless, with its
  GOAWAY in it: that one is written by hand.
- Bytes of a closed stream can be granted, and DATA that comes on a closed stream
  is dropped and granted by the engine. But a frame that ends a body short of
  its content-length is neither told nor granted: see `_mend_window`.
- Streams take turns only when they are `incremental`, which only a server can
  say: a client's are sent one after the other.
"""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress

import ngh2
from ngh2 import (
    ConnectionStateError,
    DataReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    StreamClosed,
)

from miniqueue_py.errors import ConnectionLost
from miniqueue_py.http2 import frames, limits
from miniqueue_py.http2.codec import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    NO_ERROR,
    PROTOCOL_ERROR,
    Headers,
    Receiver,
)

NO_RFC7540_PRIORITIES = 0x9
"""Without this setting the engine lets no stream of a server be incremental."""

_LONG_BODY = 1 << 14
"""More than a frame: such a body takes turns with others."""

_INCREMENTAL = ngh2.Priority(incremental=True)

_GONE = (ngh2.StreamProtocolError, ConnectionStateError)
"""What the engine says of a stream, or a connection, that takes nothing more."""


class Ngh2Codec:
    """One connection's frames, on libnghttp2."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        is_client: bool,
        settings: Mapping[int, int],
        connection_window: int,
    ) -> None:
        self.is_broken = False
        self._is_server = not is_client
        self._receiver = receiver
        self._engine = ngh2.Connection(
            ngh2.Role.CLIENT if is_client else ngh2.Role.SERVER,
            ngh2.Configuration(
                auto_window_update=False,
                max_outbound_ack=limits.MOST_QUEUED_ACKS,
                max_settings=limits.MOST_SETTINGS,
                stream_reset_rate_limit=limits.RESETS,
                max_continuations=limits.MOST_CONTINUATIONS,
                glitch_rate_limit=limits.GLITCHES,
                max_inbound_header_list_size=limits.MOST_HEADER_BYTES,
                max_inbound_header_count=limits.MOST_HEADER_FIELDS,
            ),
        )
        priorities = {} if is_client else {NO_RFC7540_PRIORITIES: 1}
        self._engine.initiate_connection({**settings, **priorities})
        self._engine.set_local_window_size(connection_window)
        self._window = connection_window
        self._ungranted = 0
        """Bytes that were told and not granted yet."""
        self._events: deque[Event] = deque()
        self._farewell = b""
        """What is left to send when the engine says nothing more."""
        self._highest = 0
        """The last stream of the peer's that was told."""
        self._silenced: set[int] = set()
        """They are to end without a word: what comes on such a stream is granted unseen."""
        self._incremental: set[int] = set()
        self._reset_by_peer = 0
        # Bound once: these are the hot path.
        self._on_headers = receiver.on_headers
        self._on_data = receiver.on_data
        self._receive_data = self._engine.receive_data
        self._new_events = self._engine.events
        self._data_to_send = self._engine.data_to_send
        self._remote_window = self._engine.stream_remote_window_size
        self._acknowledge = self._engine.acknowledge_received_data
        self._send_data = self._engine.send_data
        self._send_response = self._engine.send_response

    def __repr__(self) -> str:
        role = "server" if self._is_server else "client"
        return f"<Ngh2Codec of a {role}{', broken' if self.is_broken else ''}>"

    # Bytes.

    @property
    def wants_take(self) -> bool:
        return bool(self._farewell) if self.is_broken else self._engine.want_write

    def feed(self, data: bytes) -> None:
        if self.is_broken:
            return
        try:
            self._receive_data(data)
        except ConnectionStateError:
            self._break(b"")  # the peer said GOAWAY, and the last stream is over
        except ngh2.NGH2Error as error:
            calm = isinstance(error, ngh2.DenialOfServiceError)
            code = ENHANCE_YOUR_CALM if calm else PROTOCOL_ERROR
            self._break(frames.goaway(self._highest, code))

    def dispatch(self, most_headers: int) -> bool:
        # Nothing of ours is called between an event and the receiver: a call costs
        # a fifth of what libnghttp2 takes for a whole exchange.
        events, silenced = self._events, self._silenced
        if not self.is_broken:
            events.extend(self._new_events())
        while events:
            event = events.popleft()
            if isinstance(event, DataReceived) and event.stream_id not in silenced:
                self._ungranted += len(event.data)
                self._on_data(event.stream_id, event.data, event.end_stream)
            elif isinstance(event, RequestReceived):
                try:
                    self._remote_window(event.stream_id)
                except _GONE:  # it was reset meanwhile
                    self._tell_rare(event)
                    continue
                self._highest = event.stream_id
                self._on_headers(event.stream_id, event.headers, event.end_stream)
                most_headers -= 1
                if most_headers <= 0:
                    break
            elif isinstance(event, ResponseReceived) and event.stream_id not in silenced:
                self._on_headers(event.stream_id, event.headers, event.end_stream)
            else:
                self._tell_rare(event)
        return bool(events)

    def take(self, most: int) -> bytes:
        if self.is_broken:
            data, self._farewell = self._farewell[:most], self._farewell[most:]
            return data
        data = self._data_to_send(most)
        if not self._engine.want_read:
            # A GOAWAY of its own has left: from now on most of its verbs raise.
            self._break(self._data_to_send())
            return data
        events = self._new_events()
        if self._events:
            self._events.extend(events)  # they wait behind what is not told yet
        else:
            for event in events:
                self._tell_rare(event)
        return data

    # Streams.

    def open(self, headers: Headers, *, ends: bool = False) -> int:
        try:
            return self._engine.send_request(headers, end_stream=ends)
        except ngh2.NGH2Error as error:
            raise ConnectionLost(str(error)) from error

    def respond(self, stream_id: int, headers: Headers, *, ends: bool = False) -> None:
        try:  # noqa: SIM105  suppress() would cost as much as the call
            self._send_response(stream_id, headers, end_stream=ends)
        except _GONE:
            pass

    def inform(self, stream_id: int, headers: Headers) -> None:
        with suppress(*_GONE):
            self._engine.send_informational_response(stream_id, headers)

    def send(self, stream_id: int, data: bytes, *, ends: bool = False) -> None:
        try:
            self._send_data(stream_id, data, end_stream=ends)
            is_long = self._is_server and (not ends or len(data) > _LONG_BODY)
            if is_long and stream_id not in self._incremental:
                self._incremental.add(stream_id)
                self._engine.set_stream_priority(stream_id, _INCREMENTAL, ignore_client_signal=True)
        except _GONE:
            pass

    def reset(self, stream_id: int, code: int) -> None:
        with suppress(*_GONE):
            self._remote_window(stream_id)  # is it there?
            self._silenced.add(stream_id)
            self._engine.reset_stream(stream_id, code)

    def grant(self, stream_id: int, size: int) -> None:
        self._ungranted -= size
        try:  # noqa: SIM105  as above
            self._acknowledge(size, stream_id)
        except ConnectionStateError:
            pass

    def queued(self, stream_id: int) -> int:
        return 0 if self.is_broken else self._engine.queued_body_size(stream_id)

    def queued_in_all(self) -> int:
        return 0 if self.is_broken else self._engine.queued_body_size()

    # The connection.

    def ping(self, data: bytes) -> None:
        with suppress(ConnectionStateError):
            self._engine.ping(data)

    def end(self, code: int = NO_ERROR) -> None:
        if not self.is_broken:
            # Behind its GOAWAY the engine says nothing, not even what was answered before.
            farewell = self._data_to_send()
            with suppress(ConnectionStateError):  # or it said one already
                self._engine.terminate_connection(code, last_stream_id=self._highest)
            self._break(farewell + self._data_to_send())

    # Telling, beside what `dispatch` tells by itself.

    def _tell_rare(self, event: Event) -> None:
        if isinstance(event, StreamClosed):
            stream_id = event.stream_id
            self._incremental.discard(stream_id)
            if stream_id in self._silenced:
                self._silenced.discard(stream_id)
            elif event.error_code or stream_id == self._reset_by_peer:
                self._tell_broken(stream_id, event.error_code)
        elif isinstance(event, ngh2.TrailersReceived):
            if event.stream_id not in self._silenced:
                self._on_data(event.stream_id, b"", True)
        elif isinstance(event, ngh2.WindowUpdated):
            self._receiver.on_window(event.stream_id)
        elif isinstance(event, ngh2.StreamReset):
            # Told with StreamClosed, which follows at once unless it was closed before.
            self._reset_by_peer = event.stream_id
        elif isinstance(event, RequestReceived):
            self._silenced.add(event.stream_id)  # it was reset in the read that began it
            self._receiver.on_closed(event.stream_id, CANCEL)
        elif isinstance(event, DataReceived):
            self._ungranted += len(event.data)
            self.grant(event.stream_id, len(event.data))
        else:
            self._tell_of_connection(event)

    def _tell_of_connection(self, event: Event) -> None:
        match event:  # not interim responses, nor what nobody asked for
            case ngh2.SettingsReceived(settings=settings):
                self._receiver.on_settings(settings)
                self._receiver.on_window(0)
            case ngh2.PingReceived():
                self._receiver.on_ping()
            case ngh2.PingAcknowledged(opaque_data=data):
                self._receiver.on_pong(data)
            case ngh2.GoAwayReceived(last_stream_id=last, error_code=code):
                self._receiver.on_goaway(last, code)

    def _tell_broken(self, stream_id: int, code: int) -> None:
        if stream_id != self._reset_by_peer:
            self._mend_window()
        self._receiver.on_closed(stream_id, code)

    def _mend_window(self) -> None:
        """Give back what the engine lost with malformed streams; it never says how much.

        What is neither told nor granted was granted less than half a window ago,
        for then the engine passes it on. Whatever is beyond that is lost.
        """
        if self._events:
            return  # what waits to be told is not lost; the next one is mended with this one
        with suppress(ConnectionStateError):
            lost = self._window // 2 - self._engine.local_window_size - self._ungranted
            if lost > 0:
                self._window += lost
                self._engine.set_local_window_size(self._window)

    def _break(self, farewell: bytes) -> None:
        self.is_broken = True
        self._farewell = farewell
        self._events.clear()
