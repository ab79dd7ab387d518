"""What a port accepts: as many connections as there is room for; the rest wait in the kernel.

asyncio and uvloop accept whatever comes. When descriptors run out, uvloop closes
what it accepts and asyncio looks away for a second with a traceback; neither
keeps a descriptor for the store. So the sockets of a broker are accepted here,
one by one, and not while there is no room: who waits is served as soon as there is.
"""

import asyncio
import socket
import ssl as tls
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from miniqueue_py.event_loop import has_uvloop
from miniqueue_py.http.servers.connections import Connections

ACCEPTS_A_TURN = 50

RETRY_SECONDS = 0.1
"""How often it is looked if there is room: a descriptor may be closed by anybody."""

Factory = Callable[[], asyncio.BaseProtocol]


class CountedListener(socket.socket):
    """A listening socket that knows whose connections it accepts."""

    connections: Connections

    @classmethod
    def over(cls, listener: socket.socket, connections: Connections) -> "CountedListener":
        """Return it in the place of `listener`, which is closed by nobody else then."""
        counted = cls(listener.family, listener.type, listener.proto, listener.detach())
        counted.connections = connections
        counted.setblocking(False)
        return counted


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop, or of asyncio where that is not, which accepts as Accepting does."""
    if has_uvloop():
        import uvloop  # noqa: PLC0415  only if it is there

        return _of(uvloop.Loop)
    return _of(asyncio.SelectorEventLoop)


def _of(base: Any) -> asyncio.AbstractEventLoop:
    # Any: which class it is, is not known before.
    class Loop(base):  # type: ignore[misc]
        async def create_server(
            self, protocol_factory: Factory, *args: Any, sock: Any = None, **more: Any
        ) -> Any:
            if not isinstance(sock, CountedListener):
                return await super().create_server(protocol_factory, *args, sock=sock, **more)
            sock.listen(more.get("backlog", 100))
            return Accepting(
                self, sock, protocol_factory, more.get("ssl"), more.get("ssl_handshake_timeout")
            )

    loop: asyncio.AbstractEventLoop = Loop()
    return loop


class Accepting:
    """A server of asyncio on one socket, from when it is made until it is closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: CountedListener,
        protocol_factory: Factory,
        context: tls.SSLContext | None,
        handshake_seconds: float | None,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._connections = listener.connections
        self._protocol_factory = protocol_factory
        self._context = context
        self._handshake_seconds = handshake_seconds
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        loop.add_reader(listener, self._accept)

    def __repr__(self) -> str:
        return f"<Accepting, {'full' if self._pause else 'open'}, {len(self._arriving)} arriving>"

    def close(self) -> None:
        """Accept no more; what is in its handshake is given up. Idempotent."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for task in self._arriving:
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when nothing arrives any more; connections that are open are not waited for."""
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            if not self._connections.has_room:
                self._look_away("connections")
                return
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError:  # EMFILE, ENFILE, ENOBUFS, ENOMEM: accept(2)
                self._look_away("descriptors")
                return
            accepted.setblocking(False)
            self._connections.arriving += 1
            task = self._loop.create_task(self._begin(accepted))
            self._arriving.add(task)
            task.add_done_callback(self._end)

    def _look_away(self, limit: str) -> None:
        """Let all who come wait for a moment: the listener would be ready in every turn."""
        self._connections.note_full(limit)
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(RETRY_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    async def _begin(self, accepted: socket.socket) -> None:
        """See a connection through its handshake, if there is one. It is its protocol's then."""
        more: dict[str, Any] = {}
        if self._context is not None:
            more = {"ssl": self._context, "ssl_handshake_timeout": self._handshake_seconds}
        with suppress(OSError):  # of TLS too; the transport has closed it
            await self._loop.connect_accepted_socket(self._protocol_factory, accepted, **more)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._arriving.discard(task)
        self._connections.arriving -= 1
