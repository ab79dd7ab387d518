"""The one place where everything is put together: storage, broker, time, doors."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.clock import SystemClock
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.timekeeper import Timekeeper
from miniqueue_py.config import Settings
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.listener import open_listener, url_of
from miniqueue_py.http.pages import Pages
from miniqueue_py.http.streams import Streams
from miniqueue_py.http.subscription import FAREWELL_SECONDS
from miniqueue_py.storage import open_storage
from miniqueue_py.telemetry import structlog
from miniqueue_py.telemetry.observer import log_events

log = structlog.get_logger("miniqueue")

LAST_ANSWERS_SECONDS = FAREWELL_SECONDS + 0.5
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
    with open_listener(settings.host, settings.port, settings.keepalive_seconds) as listener:
        url = url_of(listener)
        async with _open_broker(settings) as (broker, administration):
            pages = Pages(broker, administration)
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
                await _drain(broker, app, settings.drain_seconds)

            await _server(settings)(app, listener, certificate, key, until_drained)
    log.info("broker.stopped")
    return 0


@asynccontextmanager
async def _open_broker(settings: Settings) -> AsyncIterator[tuple[Broker, Administration]]:
    storage = open_storage(
        settings.database,
        fsync=settings.fsync,
        fsync_interval_seconds=settings.fsync_interval_seconds,
    )
    try:
        observers = Observers(*log_events(settings.level))
        limits = Limits(settings.max_message_bytes, settings.max_msgs, settings.max_bytes)
        broker = Broker(storage, SystemClock(), limits=limits, observers=observers)
        timekeeper = Timekeeper(
            broker,
            settings.period_seconds,
            on_error=lambda error: log.error("tick.failed", exc_info=error),
        )
        ticking = asyncio.create_task(timekeeper.run())
        try:
            yield broker, Administration(broker, storage, observers)
        finally:
            ticking.cancel()
    finally:
        await storage.aclose()


async def _drain(broker: Broker, app: Streams, drain_seconds: float) -> None:
    """Let subscribers settle what they hold, and go."""
    log.info("broker.draining", subscribers=broker.subscriber_count, for_s=drain_seconds)
    broker.drain()
    app.abandon_uploads()
    try:
        async with asyncio.timeout(drain_seconds + LAST_ANSWERS_SECONDS):
            await broker.wait_drained()
            await app.wait_idle()
    except TimeoutError:
        log.warning("broker.drain_late", subscribers=broker.subscriber_count)
    if broker.given_back:
        log.warning("broker.drain_cut", given_back=broker.given_back)


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
