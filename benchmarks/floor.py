"""What this machine can do at all, with no broker: the floor under every figure.

Two measures, by the same clients as the broker's. *Echo*: a TLS server that
sends back what it gets, which is as fast as a lock-step consumer could ever
be served from Python. *Bare*: an application that reads a body and answers
201, on each server as it ships, with its request limit raised.
"""

import asyncio
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.figures import Figures, Plan
from benchmarks.h2load import h2load_publish
from miniqueue_py.certificate_paths import certificate_paths
from miniqueue_py.certificates import make_certificates
from miniqueue_py.http.asgi import Receive, Scope, Send, read_body, respond

_ROUND_TRIPS = 20_000


def measure_floor(program: str | None, seconds: int) -> list[Figures]:
    """Measure echo, and bare publishes where h2load is at hand."""
    with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
        make_certificates(Path(directory))
        with _serving("echo", directory) as port:
            figures = [uvloop.run(_measure_echo(port, Path(directory)))]
        for server in ("hypercorn", "granian") if program else ():
            with _serving(server, directory) as port:
                for lanes in (1, 10):
                    line = h2load_publish(program or "", port, "bare", Plan(seconds, lanes=lanes))
                    figures.append(
                        Figures(f"bare {server} 12 x {lanes}", line.count, seconds, line.latencies)
                    )
    return figures


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class _Asker(asyncio.Protocol):
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, _data: bytes) -> None:
        self.latencies.append(time.perf_counter() - self._asked_at)
        if len(self.latencies) >= _ROUND_TRIPS:
            self.done.set_result(None)
        else:
            self._ask()

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self._transport.write(b"0123456789012345678901234567")


async def _measure_echo(port: int, directory: Path) -> Figures:
    context = ssl.create_default_context(cafile=certificate_paths(directory).authority)
    start = time.perf_counter()
    _, asker = await asyncio.get_running_loop().create_connection(
        _Asker, "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    await asyncio.wait_for(asker.done, 60)
    return Figures("TLS echo", _ROUND_TRIPS, time.perf_counter() - start, asker.latencies)


@contextmanager
def _serving(what: str, directory: str) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.floor", what, directory]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else "")
        finally:
            process.kill()


async def _bare(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await read_body(scope, receive, 1 << 20)
        await respond(send, 201)
    else:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await asyncio.Event().wait()


async def _serve(what: str, directory: str) -> None:
    paths = certificate_paths(Path(directory))
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    until: Callable[[], Awaitable[Any]] = asyncio.Event().wait
    if what == "granian":
        from miniqueue_py.http.servers.granian import run_granian  # noqa: PLC0415  an extra

        await run_granian(_bare, listener, paths.certificate, paths.key, until)
    elif what == "hypercorn":
        from hypercorn.asyncio import serve  # noqa: PLC0415  one of three

        from miniqueue_py.http.servers.hypercorn import make_config  # noqa: PLC0415

        bare: Any = _bare
        await serve(bare, make_config(listener, paths.certificate, paths.key))
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths.certificate, paths.key)
        await asyncio.get_running_loop().create_server(_Echo, sock=listener, ssl=context)
        await until()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], sys.argv[2]))
