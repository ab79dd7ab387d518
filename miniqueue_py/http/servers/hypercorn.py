"""Hypercorn, run inside our own loop."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.asyncio import serve

from miniqueue_py.http.asgi import App
from miniqueue_py.http.listener import Credentials
from miniqueue_py.http.servers.hypercorn_guards import GuardedConfig, install_guards

MAX_STREAMS = 10_000
"""A connection that opens one more than announced is closed whole
(pgjones/hypercorn#335), so this is out of a well-behaved client's reach."""

NEVER = 2**62

IDLE_SECONDS = 600.0
"""A connection with no request under way is kept that long."""

GRACE_SECONDS = 0.5
"""How long connections may take to close when everything is drained; a peer that does
not answer TLS's good-bye would take for ever."""

CUT_SECONDS = 2.0
"""How long the server may take to notice that they were cut."""


async def run_hypercorn(
    app: App,
    listener: socket.socket,
    credentials: Credentials | None,
    until: Callable[[], Awaitable[object]],
) -> None:
    """Serve `app` on a bound socket until `until` returns, which does the draining.

    The credentials are a certificate and its key; without them it is in clear.
    """
    install_guards()
    config = make_config(listener, credentials)
    drained = asyncio.Event()

    async def trigger() -> None:
        try:
            await until()
        finally:
            drained.set()

    serving = asyncio.create_task(serve(_as_framework(app), config, shutdown_trigger=trigger))
    draining = asyncio.create_task(drained.wait())
    try:
        await asyncio.wait({serving, draining}, return_when=asyncio.FIRST_COMPLETED)
        # On Python 3.12 closing a listener waits for every connection, for
        # ever if need be (pgjones/hypercorn#308). Ours wait for no one.
        await asyncio.wait({serving}, timeout=GRACE_SECONDS)
        config.cut_connections()
        await asyncio.wait({serving}, timeout=CUT_SECONDS)
    finally:
        draining.cancel()
        if not serving.done():
            serving.cancel()
            await asyncio.wait({serving}, timeout=CUT_SECONDS)
    if not serving.cancelled() and serving.done():
        serving.result()


def make_config(listener: socket.socket, credentials: Credentials | None) -> GuardedConfig:
    """Return the settings for a bound socket, which is the server's from now on."""
    config = GuardedConfig()
    config.bind = [f"fd://{listener.detach()}"]
    if credentials is not None:
        config.certfile, config.keyfile = map(str, credentials)
    config.backlog = 1024
    config.h2_max_concurrent_streams = MAX_STREAMS
    config.keep_alive_max_requests = NEVER
    config.keep_alive_timeout = IDLE_SECONDS
    config.graceful_timeout = 2 * (GRACE_SECONDS + CUT_SECONDS)
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn.error")
    config.accesslog = None
    return config


def _as_framework(app: App) -> Any:
    """Hypercorn looks at the callable's signature; ours is ASGI 3."""

    async def framework(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return framework
