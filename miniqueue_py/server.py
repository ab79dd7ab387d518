"""The one place where everything is put together: storage, broker, time, doors."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.clock import SystemClock
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.broker.storage import Storage
from miniqueue_py.broker.timekeeper import Timekeeper
from miniqueue_py.config.settings import Settings
from miniqueue_py.database_address import parse_address
from miniqueue_py.descriptors import most_connections, open_the_files_we_may
from miniqueue_py.errors import BadSetting, NotSynced, StorageUnavailable
from miniqueue_py.freed_memory import give_memory_back, settle_memory
from miniqueue_py.http.access.opening import ClientCa, Issuer, open_access
from miniqueue_py.http.browsers import Browsers
from miniqueue_py.http.dialects.dialect import Tools
from miniqueue_py.http.doors import Desk, Doors
from miniqueue_py.http.listener import Credentials
from miniqueue_py.http.native.batch import FAREWELL_SECONDS
from miniqueue_py.http.servers.accepting import new_loop
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.http.servers.hypercorn import run_hypercorn
from miniqueue_py.http.servers.tls_context import new_tls
from miniqueue_py.http2.choose import codec_name
from miniqueue_py.listening import open_ports, tell_listening
from miniqueue_py.private_files import close_to_others
from miniqueue_py.refused_start import nothing_left_if_refused
from miniqueue_py.signals import ending_signals, has_terminal
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.opening import is_shared, open_shared, promise_of
from miniqueue_py.telemetry import structlog
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.telemetry.observer import log_access, log_events
from miniqueue_py.tls.certificates import Presented, ensure_development_certificates
from miniqueue_py.tls.paths import certificate_paths
from miniqueue_py.tls.shown import ShownCertificate, watch

log = structlog.get_logger("miniqueue")

LAST_ANSWERS_SECONDS = FAREWELL_SECONDS + 0.5
"""Beyond -drain: the last lines of streams are on their way."""


def run(
    settings: Settings,
    development_certificates: Path,
    on_listening: Callable[[str], None],
) -> int:
    """Serve until a signal; return the exit code. `on_listening` is told the URL.

    Raises BadSetting and DatabaseRefused before anything is served, and leaves nothing
    behind then: what is made is made when all ports are bound. Raises NotSynced at the end.
    """
    codec_name()  # told here if it is wrong, and not to the first client
    open_the_files_we_may()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_serve(settings, development_certificates, on_listening))


async def _serve(
    settings: Settings, development_certificates: Path, on_listening: Callable[[str], None]
) -> int:
    stop, drained, reload = asyncio.Event(), asyncio.Event(), asyncio.Event()
    _on_signals(stop, reload)
    with ExitStack() as stack:
        ports = open_ports(stack, settings)
        stack.enter_context(
            nothing_left_if_refused(_made_at_start(settings, development_certificates))
        )
        connections = Connections(_connection_limits(settings), _tell_full)
        browsers = Browsers(_names(settings), origins=settings.allow_origins)
        connections.foreign = browsers.refused
        tls = new_tls(settings.tls_min, settings.client_ca)

        def hear(presented: Presented) -> None:
            browsers.set_names([*_names(settings), *presented.hosts])
            connections.certificate_expires_at = presented.valid_until.timestamp()

        certificate = ShownCertificate(
            _credentials(settings, development_certificates), tls.show, hear, settings.client_ca
        )
        certificate.begin(datetime.now(UTC))
        async with _open_desk(settings, connections) as desk:
            doors = Doors(
                desk,
                drain_seconds=settings.drain_seconds,
                max_wait_seconds=settings.max_wait_seconds,
                browsers=browsers,
                on_error=_tell_failed,
            )
            for directory in _directories(settings):
                _close_to_others(directory)
            renewed = None if desk.access is None else desk.access.want_reload
            watching = asyncio.create_task(watch(certificate, reload, renewed))

            async def until_drained() -> None:
                try:
                    settle_memory()
                    tell_listening(settings, ports)
                    on_listening(ports.url)
                    loading = asyncio.create_task(doors.load())
                    await stop.wait()
                    await loading
                    await _drain(desk.broker, doors, connections, settings.drain_seconds)
                finally:
                    watching.cancel()
                    drained.set()

            async with asyncio.TaskGroup() as servers:
                for port in ports.clear:
                    door = doors.of_dialect(port.dialect)
                    servers.create_task(
                        run_hypercorn(door, connections, [port.listener], None, drained.wait)
                    )
                servers.create_task(
                    run_hypercorn(doors.native, connections, ports.native, tls, until_drained)
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
    yield from _directories(settings)


def _directories(settings: Settings) -> Iterator[Path]:
    """Yield where messages are kept."""
    directory = parse_address(settings.database).directory
    if directory is not None:
        yield directory
    for dialect in settings.of_dialects:
        yield from dialect.directories.values()


def _close_to_others(directory: Path) -> None:
    """Keep what was made by another version, or by hand, from other users; or warn of it."""
    found = close_to_others(directory)
    if found is not None:
        is_done, mode = found
        facts = {"directory": str(directory), "mode": f"{mode:04o}"}
        if is_done:
            log.info("database.closed", **facts)
        else:
            log.warning("database.readable", **facts)


def _names(settings: Settings) -> Iterator[str]:
    """Yield what the broker is called besides what its certificate says."""
    yield socket.gethostname()
    yield settings.host
    yield from (address.host for address in settings.dialects)
    yield from settings.allow_hosts


def _tell_failed(path: str, error: Exception) -> None:
    log.error("request.failed", path=path, exc_info=error)


def _tell_full(limit: str, connections: int) -> None:
    log.warning("connections.full", limit=limit, open=connections)


@asynccontextmanager
async def _open_desk(settings: Settings, connections: Connections) -> AsyncIterator[Desk]:
    """Open everything that doors stand in front of."""
    _make_directories(settings)
    storage = await _open_storage(settings)
    clock = SystemClock()
    metrics = Metrics(storage.write_times())
    try:
        observers = Observers(*log_events(settings.level), metrics.observe)
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
            issuer = Issuer(settings.oidc_issuer, settings.oidc_audience)
            client_ca = ClientCa(settings.client_ca, settings.require == "both")
            async with open_access(settings.tokens, issuer, client_ca, clock, log_access) as access:
                administration = Administration(broker, storage, observers)
                snapshots = Snapshots(storage, clock)
                tools = Tools(broker, administration, snapshots, observers, access)
                dialects = {each.name: each.open(tools) for each in settings.of_dialects}
                yield Desk(broker, administration, metrics, dialects, connections, access)
        finally:
            ticking.cancel()
            trimming.cancel()
    finally:
        try:
            await storage.aclose()
        except StorageUnavailable as error:
            raise NotSynced(error.cause) from error


async def _open_storage(settings: Settings) -> Storage:
    """Open what -db names. Raises DatabaseRefused."""
    if not is_shared(settings.database):
        return open_storage(
            settings.database,
            fsync=settings.fsync,
            fsync_interval_seconds=settings.fsync_interval_seconds,
        )
    storage = await open_shared(settings.database, settings.broker_lease_seconds, settings.confirm)
    promise = await promise_of(settings.database, settings.confirm)
    log.info("storage.shared", broker=storage.broker, confirms=promise)
    return storage


def _connection_limits(settings: Settings) -> ConnectionLimits:
    """Return them; the store keeps descriptors of its own, whatever clients open."""
    room = most_connections()
    return ConnectionLimits(
        connections=min(settings.max_connections or room, room),
        connections_per_address=settings.max_connections_per_address,
        keepalive_seconds=settings.keepalive_seconds,
    )


def _make_directories(settings: Settings) -> None:
    """Make those of dialects. Raises BadSetting."""
    for dialect in settings.of_dialects:
        for flag, directory in dialect.directories.items():
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadSetting(flag, f"{directory}: {error.strerror}") from error


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


def _on_signals(stop: asyncio.Event, reload: asyncio.Event) -> None:
    """Drain at the first SIGTERM or SIGINT; leave at once, with 130, at the second.

    SIGHUP has a service reload. Where there is a terminal it says that this closes, which
    drains; a second one is none then: the kernel and its shell both send one.
    """

    def stop_or_leave(number: int) -> None:
        if stop.is_set() and number != signal.SIGHUP:
            os._exit(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in ending_signals():
        if number == signal.SIGHUP and not has_terminal():
            loop.add_signal_handler(number, reload.set)
        else:
            loop.add_signal_handler(number, stop_or_leave, number)
