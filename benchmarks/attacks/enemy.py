"""One connection of an attacker: bytes out as fast as they go, and answers read or not.

It knows the windows that the broker opens, because uploads that stall need
them; apart from that it keeps to no rule.
"""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.outside.frames import FRAME_HEAD_BYTES, WINDOW_UPDATE, frames_in

_PIECE_BYTES = 1 << 14
_READ_BYTES = 1 << 16
_CONNECT_SECONDS = 10.0
_FIRST_WINDOW = 65_535


@dataclass(frozen=True)
class Target:
    """The broker that is attacked, and until when."""

    port: int
    ca: Path
    until: float
    """By time.monotonic()."""

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    def rest(self, seconds: float) -> None:
        """Wait, but no longer than the attack goes on."""
        time.sleep(max(0.0, min(seconds, self.until - time.monotonic())))


class Enemy:
    """A connection over TLS. Raises OSError when the broker does not take it."""

    def __init__(
        self, target: Target, protocols: Sequence[str] = ("h2",), *, is_reading: bool = True
    ) -> None:
        self.is_open = True
        self.received = 0
        self.windows = Counter({0: _FIRST_WINDOW})
        """What may still be sent of each stream, by its updates; 0 is the connection."""
        self._target = target
        self._is_reading = is_reading
        self._unread = b""
        plain = socket.create_connection(("127.0.0.1", target.port), _CONNECT_SECONDS)
        if not is_reading:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket = trusting(target.ca, protocols).wrap_socket(
            plain, server_hostname="localhost"
        )
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> bool:
        """Send all of it, as the broker reads; tell if the connection is still open."""
        rest = memoryview(data)
        while rest and self.is_open and not self._target.is_over:
            try:
                rest = rest[self._socket.send(rest[:_PIECE_BYTES]) :]
            except ssl.SSLWantWriteError:
                select.select([self._socket] if self._is_reading else [], [self._socket], [], 0.1)
            except ssl.SSLWantReadError:
                select.select([self._socket], [], [], 0.1)
            except OSError:
                self.is_open = False
            self.read()
        return self.is_open

    def send_all(self, pieces: Iterable[bytes]) -> None:
        """Send one after the other, while the connection is open and the attack goes on."""
        for piece in pieces:
            if self._target.is_over or not self.send(piece):
                return

    def read(self) -> None:
        """Take what is there, unless this one never reads."""
        while self._is_reading and self.is_open:
            try:
                data = self._socket.recv(_READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                data = b""
            self.is_open = bool(data)
            self.received += len(data)
            self._note_windows(data)

    def wait(self, seconds: float = 60.0) -> None:
        """Say nothing for a while, or until the broker closes."""
        until = min(time.monotonic() + seconds, self._target.until)
        while self.is_open and (left := until - time.monotonic()) > 0:
            if self._is_reading:
                with contextlib.suppress(OSError):
                    select.select([self._socket], [], [], min(left, 0.1))
                self.read()
            else:
                self._target.rest(min(left, 0.1))

    def _note_windows(self, data: bytes) -> None:
        self._unread += data
        for kind, _, stream_id, payload in frames_in(self._unread):
            self._unread = self._unread[FRAME_HEAD_BYTES + len(payload) :]
            if kind == WINDOW_UPDATE:
                self.windows[stream_id] += struct.unpack(">I", payload)[0]


def trusting(ca: Path, protocols: Sequence[str]) -> ssl.SSLContext:
    """Return what a client needs for TLS."""
    context = ssl.create_default_context(cafile=ca)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
