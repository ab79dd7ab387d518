"""redis-py on streams: XADD in pipelines, XREADGROUP with the XACK of what came before.

Acknowledged messages are not deleted, which spares the server work that ours does.
"""

from asyncio import timeout
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks.crossing import Arrivals, Load, Stopwatch, Tell, promise
from benchmarks.servers import Server
from miniqueue_py.certificate_paths import CertificatePaths

_KEY, _GROUP, _FIELD = "crossing", "all", b"body"
_PIPELINE = 1000


def redis_command(
    port: int, directory: Path, certificates: CertificatePaths | None
) -> Sequence[str]:
    command = ["redis-server", "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "everysec"]
    if certificates is None:
        return [*command, "--port", str(port)]
    command += ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
    command += ["--tls-cert-file", str(certificates.certificate)]
    command += ["--tls-key-file", str(certificates.key)]
    return [*command, "--tls-ca-cert-file", str(certificates.authority)]


async def cross_redis(server: Server, load: Load, tell: Tell) -> None:
    name = f"redis-py{server.tls}"
    async with _connect(server) as redis:
        await redis.xgroup_create(_KEY, _GROUP, id="0", mkstream=True)
        watch = Stopwatch(name, server.pid)
        async with timeout(load.limit_seconds):
            await _publish(redis, load)
        tell(watch.read(f"in, XADD x {_PIPELINE:,}", len(load.bodies)))

        watch = Stopwatch(name, server.pid)
        async with timeout(load.limit_seconds):
            await _consume(redis, load)
        tell(watch.read(f"out, XREADGROUP {load.credit:,} + XACK", len(load.bodies)))
        pending = (await redis.xpending(_KEY, _GROUP))["pending"]
        promise(pending == 0, f"{pending} were not acknowledged")


def _connect(server: Server) -> Any:
    if server.certificates is None:
        return Redis(host="127.0.0.1", port=server.port)
    authority = str(server.certificates.authority)
    return Redis(host="localhost", port=server.port, ssl=True, ssl_ca_certs=authority)


async def _publish(redis: Any, load: Load) -> None:
    for start in range(0, len(load.bodies), _PIPELINE):
        pipeline = redis.pipeline(transaction=False)
        for body in load.bodies[start : start + _PIPELINE]:
            pipeline.xadd(_KEY, {_FIELD: body})
        await pipeline.execute()  # raises what one of them was refused for


async def _consume(redis: Any, load: Load) -> None:
    arrivals = Arrivals(load)
    handled: list[bytes] = []
    while arrivals.left or handled:
        pipeline = redis.pipeline(transaction=False)
        if handled:
            pipeline.xack(_KEY, _GROUP, *handled)
        if arrivals.left:
            pipeline.xreadgroup(_GROUP, "one", {_KEY: ">"}, count=load.credit)
        answers = await pipeline.execute()
        if handled:
            promise(answers[0] == len(handled), f"{len(handled)} XACK, {answers[0]} taken")
        handled = []
        if arrivals.left:
            [[_, entries]] = answers[-1]
            for number, fields in entries:
                arrivals.take(fields[_FIELD])
                handled.append(number)
