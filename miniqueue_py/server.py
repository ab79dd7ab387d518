"""The one place where everything is put together: storage, broker, time, doors."""

import asyncio
import gc
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.clock import SystemClock
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.broker.timekeeper import Timekeeper
from miniqueue_py.certificate_paths import certificate_paths
from miniqueue_py.certificates import ensure_development_certificates
from miniqueue_py.config import Settings
from miniqueue_py.dialect_address import DialectAddress
from miniqueue_py.errors import BadSetting, NotSynced, StorageUnavailable
from miniqueue_py.freed_memory import give_memory_back
from miniqueue_py.http.batch import FAREWELL_SECONDS
from miniqueue_py.http.dialects.options import TASKS, DialectOptions, ZapqOptions, ZoldyqOptions
from miniqueue_py.http.doors import Desk, Doors
from miniqueue_py.http.listener import Credentials, open_listener, url_of
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.http.servers.hypercorn import run_hypercorn
from miniqueue_py.http2.choose import codec_name
from miniqueue_py.refused_start import nothing_left_if_refused
from miniqueue_py.signals import ending_signals
from miniqueue_py.storage import open_storage
from miniqueue_py.telemetry import structlog
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.telemetry.observer import log_events
from miniqueue_py.telemetry.rates import Rates

log = structlog.get_logger("miniqueue")

KEPT_DESCRIPTORS = 1200
"""That connections do not get: LevelDB has up to 1,000 tables open, and there are the log,
listeners, and handshakes that are under way."""

LAST_ANSWERS_SECONDS = FAREWELL_SECONDS + 0.5
"""Beyond -drain: the last lines of streams are on their way."""


def run(settings: Settings, development_certificates: Path) -> int:
    """Serve until a signal; return the exit code.

    Raises BadSetting and DatabaseRefused before anything is served, and leaves nothing
    behind then: what is made is made when all ports are bound. Raises NotSynced at the end.
    """
    codec_name()  # told here if it is wrong, and not to the first client
    _open_the_files_we_may()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, development_certificates))


async def _serve(settings: Settings, development_certificates: Path) -> int:
    stop, drained = asyncio.Event(), asyncio.Event()
    _on_signals(stop)
    with ExitStack() as listeners:
        listener = _listen(listeners, settings, settings.host, settings.port)
        url = url_of(listener)
        ports = [
            (address, _listen(listeners, settings, address.host, address.port, "-dialect"))
            for address in settings.dialects
        ]
        dialects = [(address, url_of(port, "http")) for address, port in ports]
        listeners.enter_context(
            nothing_left_if_refused(_made_at_start(settings, development_certificates))
        )
        credentials = _credentials(settings, development_certificates)
        async with _open_desk(settings) as desk:
            doors = Doors(
                desk,
                drain_seconds=settings.drain_seconds,
                max_wait_seconds=settings.max_wait_seconds,
                on_error=_tell_failed,
            )
            connections = desk.connections

            async def until_drained() -> None:
                try:
                    _settle_memory()
                    _tell_listening(settings, url, dialects)
                    loading = asyncio.create_task(doors.load())
                    await stop.wait()
                    await loading
                    await _drain(desk.broker, doors, connections, settings.drain_seconds)
                finally:
                    drained.set()

            async with asyncio.TaskGroup() as servers:
                for address, port in ports:
                    door = doors.of_dialect(address.name)
                    servers.create_task(run_hypercorn(door, connections, port, None, drained.wait))
                servers.create_task(
                    run_hypercorn(doors.native, connections, listener, credentials, until_drained)
                )
    log.info("broker.stopped")
    return 0


def _credentials(settings: Settings, development_certificates: Path) -> Credentials:
    """Return the certificate to show and its key, made if need be. Raises BadSetting."""
    if settings.certificate and settings.key:
        return settings.certificate, settings.key
    made = ensure_development_certificates(development_certificates, datetime.now(UTC))
    log.info("certificate.development", ca=str(made.authority))
    return made.certificate, made.key


def _made_at_start(settings: Settings, development_certificates: Path) -> Iterator[Path]:
    """Yield what may be made before anything is served."""
    if settings.certificate is None:
        made = certificate_paths(development_certificates)
        yield from (made.authority, made.authority_key, made.certificate, made.key)
    if settings.database != "memory:":
        yield Path(settings.database.removeprefix("leveldb:"))
    if settings.zapq_snapshots is not None:
        yield settings.zapq_snapshots


def _listen(
    listeners: ExitStack, settings: Settings, host: str, port: int, told_by: str | None = None
) -> socket.socket:
    return listeners.enter_context(open_listener(host, port, settings.keepalive_seconds, told_by))


def _tell_listening(
    settings: Settings, url: str, dialects: Sequence[tuple[DialectAddress, str]]
) -> None:
    for address, where in dialects:
        log.info("dialect.listening", dialect=address.name, url=where, host=address.host)
    log.info(
        "broker.listening",
        url=url,
        db=settings.database,
        fsync=settings.fsync,
        server=settings.server,
        http2=codec_name(),
        pid=os.getpid(),
    )


def _tell_failed(path: str, error: Exception) -> None:
    log.error("request.failed", path=path, exc_info=error)


@asynccontextmanager
async def _open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """Open everything that doors stand in front of."""
    options = _dialect_options(settings)
    storage = open_storage(
        settings.database,
        fsync=settings.fsync,
        fsync_interval_seconds=settings.fsync_interval_seconds,
    )
    clock = SystemClock()
    metrics = Metrics(storage.write_times())
    task_rates = Rates(clock, TASKS)
    try:
        observers = Observers(*log_events(settings.level), metrics.observe, task_rates.observe)
        limits = Limits(settings.max_message_bytes, settings.max_msgs, settings.max_bytes)
        broker = Broker(storage, clock, limits=limits, observers=observers)
        timekeeper = Timekeeper(
            broker,
            settings.period_seconds,
            on_error=lambda error: log.error("tick.failed", exc_info=error),
        )
        ticking = asyncio.create_task(timekeeper.run())
        trimming = asyncio.create_task(give_memory_back())
        try:
            yield Desk(
                broker,
                Administration(broker, storage, observers),
                Snapshots(storage, clock),
                metrics,
                task_rates,
                options,
                Connections(_connection_limits(settings)),
            )
        finally:
            ticking.cancel()
            trimming.cancel()
    finally:
        try:
            await storage.aclose()
        except StorageUnavailable as error:
            raise NotSynced(error.cause) from error


def _connection_limits(settings: Settings) -> ConnectionLimits:
    """Return them; the store keeps descriptors of its own, whatever clients open."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ConnectionLimits(
        connections=settings.max_connections or max(1, allowed - KEPT_DESCRIPTORS),
        connections_per_address=settings.max_connections_per_address,
        keepalive_seconds=settings.keepalive_seconds,
    )


def _dialect_options(settings: Settings) -> DialectOptions:
    """Return them; the snapshot directory is there then. Raises BadSetting."""
    if settings.zapq_snapshots is not None:
        try:
            settings.zapq_snapshots.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"{settings.zapq_snapshots}: {error.strerror}"
            raise BadSetting("-zapq-snapshots", problem) from error
    return DialectOptions(
        zapq=ZapqOptions(
            max_bytes=settings.zapq_max_bytes,
            max_msgs=settings.zapq_max_msgs,
            snapshots=settings.zapq_snapshots,
        ),
        zoldyq=ZoldyqOptions(
            capacity=settings.zoldyq_capacity, max_queues=settings.zoldyq_max_queues
        ),
    )


async def _drain(
    broker: Broker, doors: Doors, connections: Connections, drain_seconds: float
) -> None:
    """Let subscribers settle what they hold, and go."""
    log.info("broker.draining", subscribers=broker.subscriber_count, for_s=drain_seconds)
    broker.drain()
    doors.drain()
    connections.drain()
    try:
        async with asyncio.timeout(drain_seconds + LAST_ANSWERS_SECONDS):
            await broker.wait_drained()
            await doors.wait_idle()
    except TimeoutError:
        log.warning("broker.drain_late", subscribers=broker.subscriber_count)
    if broker.given_back:
        log.warning("broker.drain_cut", given_back=broker.given_back)


def _on_signals(stop: asyncio.Event) -> None:
    """Drain at the first SIGTERM, SIGINT or SIGHUP; leave at once, with 130, at the second.

    A second SIGHUP is none: where a terminal closes, the kernel and its shell both send one.
    """

    def stop_or_leave(number: int) -> None:
        if stop.is_set() and number != signal.SIGHUP:
            os._exit(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in ending_signals():
        loop.add_signal_handler(number, stop_or_leave, number)


def _open_the_files_we_may() -> None:
    """Have room for as many connections as the system allows, not for a shell's 1024.

    With no descriptor left the store could open no file, and it is for operators to
    say how many there are.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _settle_memory() -> None:
    """Keep what start-up made out of every later collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
