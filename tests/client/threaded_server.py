"""A server on loopback for one test: a thread that accepts, and one for each connection.

Whatever a client of the project runs on, this runs beside it. `close` ends every
connection, however deep its thread sits in a read, and waits for the threads.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"

_PATIENCE = 5.0
_MOST_READ = 1 << 16
_MOST_CONNECTIONS = 50

Talk = Callable[[socket.socket], None]
"""What is done with a connection; it is closed behind that."""


class ThreadedServer:
    """Accepts connections, and has a conversation with each."""

    def __init__(self, talk: Talk, context: ssl.SSLContext | None = None) -> None:
        self.accepted = 0
        self._talk = talk
        self.context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._speaks_tls = context is not None
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept, name="acceptor", daemon=True)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many conversations go on."""
        with self._lock:
            return len(self._connections)

    def close(self) -> None:
        # A thread in accept() is not woken by close(), but by this.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(_PATIENCE)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                _hang_up(connection)
        for thread in self._threads:
            thread.join(_PATIENCE)
            assert not thread.is_alive(), "a conversation does not end"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            assert self.accepted <= _MOST_CONNECTIONS, "the client connects again and again"
            thread = threading.Thread(target=self._converse, args=[connection], daemon=True)
            with self._lock:
                self._connections.add(connection)
            self._threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            # The client leaves when it has seen enough, in the middle of anything.
            with contextlib.suppress(OSError):
                if self._speaks_tls:
                    self._converse_by_tls(connection)
                else:
                    self._talk(connection)
        finally:
            with contextlib.suppress(OSError):
                _say_goodbye(connection)
            with self._lock:
                self._connections.discard(connection)
                connection.close()

    def _converse_by_tls(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)  # of the handshake
        # A second descriptor: the first one stays for `close` to hang up by.
        with self.context.wrap_socket(connection.dup(), server_side=True) as secure:
            secure.settimeout(None)
            self._talk(secure)


def _say_goodbye(connection: socket.socket) -> None:
    """End our side, and take in what comes: what was said last is lost in a RST otherwise."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(_PATIENCE)
    while connection.recv(_MOST_READ):
        pass


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def server_context(
    certificate: str, key: str, protocols: tuple[str, ...] = ("h2",)
) -> ssl.SSLContext:
    """What a server of TLS shows, and which protocols it has to offer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
