"""Bytes on a connection, for what no client library would say.

It blocks, on purpose: when `send` returns, the kernel has every byte, and
nothing else happens in the test meanwhile.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.outside.stream import PATIENCE


class RawConnection:
    """A TCP connection, with TLS on it or without, and nothing above."""

    def __init__(self, port: int, ca: Path | None, protocols: Sequence[str] = ("h2",)) -> None:
        """Connect to the broker; without `ca` there is no TLS."""
        self.received = b""
        self.has_ended = False
        """The server closed it."""
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca is not None:
            context = ssl.create_default_context(cafile=ca)
            if protocols:
                context.set_alpn_protocols(list(protocols))
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send each piece by itself; a server that has closed is no error."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except TimeoutError:
            raise AssertionError("the server does not read on, nor does it close") from None
        except OSError:
            return  # what it said last is still to be read

    def read_until(self, is_enough: Callable[[bytes], bool]) -> None:
        """Read on until what came is enough, or until the server has closed."""
        try:
            while not self.has_ended and not is_enough(self.received):
                data = self._socket.recv(1 << 16)
                self.received += data
                self.has_ended = not data
        except TimeoutError:
            raise AssertionError(f"only {self.received[-300:]!r} within {PATIENCE} s") from None
        except OSError:
            self.has_ended = True

    def stop_reading(self) -> None:
        """Take so little from now on that it is soon full."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def offer(self, data: bytes, wait_seconds: float) -> bool:
        """Send, and tell if the server took it within that time; once it did not, send no more."""
        self._socket.settimeout(wait_seconds)
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def hang_up(self) -> None:
        """Say nothing more, and wait until the server has taken it all in and closed."""
        with contextlib.suppress(OSError):
            # Past TLS: what comes from now on cannot be read, only its end.
            self._socket.shutdown(socket.SHUT_WR)
        self.read_until(lambda _: False)
