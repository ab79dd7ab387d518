"""The one place where everything is put together: storage, broker, time, doors."""

import asyncio
import errno
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
import uvloop

from miniqueue_py.broker.broker import Broker, Limits
from miniqueue_py.broker.clock import SystemClock
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.timekeeper import Timekeeper
from miniqueue_py.config import Settings
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.asgi import App, Receive, Scope, Send
from miniqueue_py.http.streams import Streams
from miniqueue_py.storage import open_storage
from miniqueue_py.telemetry.observer import log_events

log = structlog.get_logger("miniqueue")

FAREWELL_SECONDS = 0.5
"""Beyond -drain: the last lines of streams are on their way."""


def run(settings: Settings, *, certificate: Path, key: Path) -> int:
    """Serve until a signal; return the exit code.

    Raises BadSetting and DatabaseRefused before anything is served.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, certificate, key))


async def _serve(settings: Settings, certificate: Path, key: Path) -> int:
    stop = asyncio.Event()
    _on_signals(stop)
    with _listen(settings) as listener:
        url = _url(listener)
        async with _open_broker(settings) as broker:
            pages = _Pages(broker)
            app = Streams(
                broker,
                pages,
                drain_seconds=settings.drain_seconds,
                on_error=lambda path, error: log.error("request.failed", path=path, exc_info=error),
            )

            async def until_drained() -> None:
                _settle_memory()
                log.info(
                    "broker.listening",
                    url=url,
                    db=settings.database,
                    fsync=settings.fsync,
                    server=settings.server,
                    pid=os.getpid(),
                )
                loading = asyncio.create_task(pages.load())
                await stop.wait()
                await loading
                await _drain(broker, settings.drain_seconds)

            await _server(settings)(app, listener, certificate, key, until_drained)
    log.info("broker.stopped")
    return 0


@asynccontextmanager
async def _open_broker(settings: Settings) -> AsyncIterator[Broker]:
    storage = open_storage(
        settings.database,
        fsync=settings.fsync,
        fsync_interval_seconds=settings.fsync_interval_seconds,
    )
    try:
        broker = Broker(
            storage,
            SystemClock(),
            limits=Limits(settings.max_message_bytes, settings.max_msgs, settings.max_bytes),
            observers=Observers(*log_events(settings.level)),
        )
        ticking = asyncio.create_task(Timekeeper(broker, settings.period_seconds).run())
        try:
            yield broker
        finally:
            ticking.cancel()
    finally:
        await storage.aclose()


class _Pages:
    """The Quart application, imported when streams are already served.

    Importing Quart takes longer than everything else at start-up, and a
    broker that restarts has messages to deliver.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._app: App | None = None
        self._loading = asyncio.Lock()

    async def load(self) -> App:
        async with self._loading:
            if self._app is None:
                self._app = await asyncio.to_thread(self._create)
        return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
        else:
            await (self._app or await self.load())(scope, receive, send)

    def _create(self) -> App:
        from miniqueue_py.http.app import create_app  # noqa: PLC0415  see above

        return create_app(self._broker)  # type: ignore[return-value]


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def _drain(broker: Broker, drain_seconds: float) -> None:
    """Let subscribers settle what they hold, and go."""
    log.info("broker.draining", subscribers=broker.subscriber_count, for_s=drain_seconds)
    broker.drain()
    try:
        async with asyncio.timeout(drain_seconds + FAREWELL_SECONDS):
            await broker.wait_drained()
    except TimeoutError:
        log.warning("broker.drain_cut", subscribers=broker.subscriber_count)


def _server(settings: Settings) -> Callable[..., Awaitable[None]]:
    if settings.server == "granian":
        try:
            from miniqueue_py.http.servers.granian import run_granian  # noqa: PLC0415  an extra
        except ImportError as error:
            raise BadSetting(
                "-server", "granian is not installed: pip install 'miniqueue-py[granian]'"
            ) from error
        return run_granian
    from miniqueue_py.http.servers.hypercorn import run_hypercorn  # noqa: PLC0415  as above

    return run_hypercorn


def _listen(settings: Settings) -> socket.socket:
    """Return a bound socket. Raises BadSetting."""
    host = settings.host
    try:
        if not host and socket.has_dualstack_ipv6():
            listener = socket.create_server(
                ("", settings.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, settings.port), family=family, backlog=1024)
    except OSError as error:
        setting = "-port" if error.errno == errno.EADDRINUSE else "-host"
        raise BadSetting(
            setting, f"cannot listen on {host or '*'}:{settings.port}: {error.strerror}"
        ) from error
    # Accepted connections inherit these: small frames go out at once, and a
    # client whose machine vanished is noticed.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = max(1, round(settings.keepalive_seconds))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle // 3))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    # Keep-alive does not probe while something sent is unacknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000 * idle)
    listener.setblocking(False)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104  reading it, not binding it
        host = "localhost"
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _on_signals(stop: asyncio.Event) -> None:
    """Drain at the first SIGTERM or SIGINT; leave at once, with 130, at the second."""

    def stop_or_leave() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_or_leave)


def _settle_memory() -> None:
    """Keep what start-up made out of every later collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
