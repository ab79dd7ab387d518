"""Our client beside nats-py and redis-py.

Each carries the same messages in and out, on one core, with its server on the
others; one server runs at a time. Every message is confirmed, compared and
acknowledged. Ours speaks TLS always, so the others are measured with it too.
Confirms come before the disk has synced, which ours and redis do once a second,
and JetStream when it likes.
"""

import argparse
import os
import platform
import signal
import ssl
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import anyio
import uvloop

from benchmarks.broker import running_broker
from benchmarks.client_ours import cross_ours
from benchmarks.crossing import Crossing, Load, Tell
from benchmarks.figures import Peer
from benchmarks.servers import CommandOf, Server, on_cores, running_server, version_of

_MOST_MESSAGES = 2_000_000
_LIMIT_SECONDS = 60
_COLUMNS = "{:<18}  {:<28}  {:>9}  {:>10}  {:>7}  {:>8}  {:>8}"

_Cross = Callable[[Server, Load, Tell], Coroutine[Any, Any, None]]


def main(words: Sequence[str]) -> None:
    arguments = _parse(words)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        signal.signal(number, signal.default_int_handler)
    load = Load.of(arguments.messages, arguments.size, arguments.credit, _LIMIT_SECONDS)
    core, *others = sorted(os.sched_getaffinity(0), reverse=True)
    servers = set(others) or {core}
    shared = "" if others else " (which they share)"
    print(f"{arguments.messages:,} messages of {arguments.size} bytes; ", end="")
    print(f"client on core {core}, servers on {sorted(servers)}{shared}")
    print(_versions() + "\n")
    print(
        _COLUMNS.format(
            "client", "work", "messages", "per second", "client", "client s", "server s"
        )
    )
    print(_COLUMNS.format("", "", "", "", "of core", "/100,000", "/100,000"))
    with on_cores(servers):
        _run_ours(load, core)
        _run_nats(load, core)
        _run_redis(load, core)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks client",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--messages", type=int, default=200_000, help="each way (200,000)")
    parser.add_argument("--size", type=int, default=100, help="bytes of each (100)")
    parser.add_argument("--credit", type=int, default=1000, help="in flight to a consumer (1000)")
    arguments = parser.parse_args(words)
    if not 1 <= arguments.messages <= _MOST_MESSAGES:
        parser.error(f"--messages is 1 to {_MOST_MESSAGES:,}")
    return arguments


def _versions() -> str:
    packages = ("miniqueue-py", "h2", "anyio", "uvloop", "trio", "nats-py", "redis", "hiredis")
    known = [f"{name} {found}" for name in packages if (found := _version(name))]
    programs = ("nats-server", "redis-server")
    known += [f"{name} {found}" for name in programs if (found := version_of(name))]
    return ", ".join([f"Python {platform.python_version()}", ssl.OPENSSL_VERSION, *known])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _run_ours(load: Load, core: int) -> None:
    backends = ["uvloop"] + ["trio"] * (find_spec("trio") is not None)
    for backend in backends:
        with running_broker("interval") as broker:
            peer = Peer(broker.port, broker.ca, broker.pid)
            with on_cores({core}), _bounded(f"ours on {backend}"):
                _run_on(backend, cross_ours, f"ours, {backend}, TLS", peer, load, _show)


def _run_nats(load: Load, core: int) -> None:
    if _has("nats", "nats-py", "nats-server"):
        from benchmarks.client_nats import cross_nats, nats_command  # noqa: PLC0415  an extra

        _run_other(cross_nats, nats_command, load, core)


def _run_redis(load: Load, core: int) -> None:
    if _has("redis", "redis[hiredis]", "redis-server"):
        from benchmarks.client_redis import cross_redis, redis_command  # noqa: PLC0415  an extra

        _run_other(cross_redis, redis_command, load, core)


def _has(module: str, package: str, program: str) -> bool:
    """Tell if both sides are installed, and say what is not."""
    missing = [] if find_spec(module) else [f"pip install '{package}'"]
    missing += [] if version_of(program) else [f"apt-get install {program}"]
    if missing:
        print(f"{module} is left out: {' and '.join(missing)} adds it")
    return not missing


def _run_other(cross: _Cross, command_of: CommandOf, load: Load, core: int) -> None:
    for has_tls in (False, True):
        server = running_server(command_of, has_tls=has_tls)
        with server as running, on_cores({core}), _bounded(cross.__name__):
            uvloop.run(cross(running, load, _show))


def _run_on(backend: str, cross: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
    if backend == "trio":
        anyio.run(cross, *arguments, backend="trio")
    else:
        uvloop.run(cross(*arguments))


def _show(crossing: Crossing) -> None:
    print(
        _COLUMNS.format(
            crossing.client,
            crossing.work,
            f"{crossing.count:,}",
            f"{crossing.rate:,.0f}",
            f"{crossing.client_seconds / crossing.seconds:.0%}",
            f"{crossing.for_100_000(crossing.client_seconds):.2f}",
            f"{crossing.for_100_000(crossing.server_seconds):.2f}",
        ),
        flush=True,
    )


@contextmanager
def _bounded(name: str) -> Iterator[None]:
    """Say who took too long, and let the next one have its turn."""
    try:
        yield
    except TimeoutError:
        print(f"{name}: given up after {_LIMIT_SECONDS} s")
