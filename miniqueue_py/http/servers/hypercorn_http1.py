"""HTTP/1.1 of Hypercorn: uploads that hold back nothing else, and clients that leave."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h11
from hypercorn.protocol.h11 import H11Protocol

from miniqueue_py.http.servers.hypercorn_flow import InboxTasks, PacedInbox
from miniqueue_py.http.servers.hypercorn_sockets import handshake_of

LOOK_SECONDS = 1.0
"""How often it is seen to that a peer is there who has sent several requests at once."""


class PeerGone(ConnectionError):
    """Nobody is there who would get what else was asked for."""


class Gate:
    """What holds up the requests of HTTP/1.1 that were sent before the one in front was answered.

    Nothing is read meanwhile, so nobody learned that the peer had gone: what he had
    asked for was done for nobody, and if his answer could not be written any more,
    the gate never opened.
    """

    def __init__(self, is_peer_gone: Callable[[], bool]) -> None:
        self._is_peer_gone = is_peer_gone
        self._open = asyncio.Event()

    async def clear(self) -> None:
        self._open.clear()

    async def set(self) -> None:
        self._open.set()

    def is_set(self) -> bool:
        return self._open.is_set()

    async def wait(self) -> None:
        """Return when the next request may be read. Raises PeerGone."""
        while not self._open.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._open.wait()
            if self._is_peer_gone():
                raise PeerGone


class GuardedH11Protocol(H11Protocol):
    """HTTP/1.1 whose only upgrade is to a WebSocket: h2c has no place here.

    It stumbles over what a peer may send with it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        server: Any = self.send.__self__  # type: ignore[attr-defined]
        self.can_read = Gate(lambda: server.is_peer_gone)
        self.task_group = InboxTasks(self.task_group, lambda _stream: PacedInbox())  # type: ignore[assignment]

    async def _check_protocol(self, event: h11.Request) -> None:
        await super()._check_protocol(_without_upgrade(event))

    async def _create_stream(self, request: h11.Request) -> None:
        await super()._create_stream(handshake_of(request) or _without_upgrade(request))


def _without_upgrade(request: h11.Request) -> h11.Request:
    headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
    return h11.Request(
        method=request.method,
        target=request.target,
        headers=headers,
        http_version=request.http_version,
    )
