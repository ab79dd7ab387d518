"""nats-py on JetStream: publishes whose acks are not waited for one by one, a pull consumer.

Acknowledged messages are not deleted, which spares the server work that ours does.
"""

import logging
import ssl
from asyncio import sleep, timeout
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nats
from nats.js.api import AckPolicy, ConsumerConfig, StorageType

from benchmarks.crossing import Arrivals, Load, Stopwatch, Tell, promise
from benchmarks.servers import Server
from miniqueue_py.certificate_paths import CertificatePaths

_SUBJECT = "crossing"
_FETCH_SECONDS = 30.0
_LOOK_SECONDS = 0.005

# Its TLS makes the event loop warn, once a connection, of what concerns nobody here.
logging.getLogger("asyncio").setLevel(logging.ERROR)


def nats_command(
    port: int, directory: Path, certificates: CertificatePaths | None
) -> Sequence[str]:
    command = ["nats-server", "--addr", "127.0.0.1", "--port", str(port)]
    command += ["--jetstream", "--store_dir", str(directory)]
    if certificates is not None:
        command += ["--tls", "--tlscert", str(certificates.certificate)]
        command += ["--tlskey", str(certificates.key)]
    return command


async def cross_nats(server: Server, load: Load, tell: Tell) -> None:
    name = f"nats-py{server.tls}"
    connection = await _connect(server)
    try:
        jetstream = connection.jetstream()
        await jetstream.add_stream(
            name=_SUBJECT,
            subjects=[_SUBJECT],
            storage=StorageType.FILE,
        )
        watch = Stopwatch(name, server.pid)
        async with timeout(load.limit_seconds):
            await _publish(jetstream, load)
        tell(watch.read("in, publish_async", len(load.bodies)))

        watch = Stopwatch(name, server.pid)
        async with timeout(load.limit_seconds):
            await _consume(jetstream, load)
        tell(watch.read(f"out, fetch({load.credit:,})", len(load.bodies)))
    finally:
        await connection.close()


async def _connect(server: Server) -> Any:
    if server.certificates is None:
        return await nats.connect(f"nats://127.0.0.1:{server.port}")
    trusting = ssl.create_default_context(cafile=server.certificates.authority)
    return await nats.connect(f"tls://localhost:{server.port}", tls=trusting)


async def _publish(jetstream: Any, load: Load) -> None:
    confirms = [await jetstream.publish_async(_SUBJECT, body) for body in load.bodies]
    await jetstream.publish_async_completed()
    for expected, confirm in enumerate(confirms, 1):
        promise((await confirm).seq == expected, f"message {expected} has another number")


async def _consume(jetstream: Any, load: Load) -> None:
    limits = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=load.credit)
    subscription = await jetstream.pull_subscribe(_SUBJECT, "all", config=limits)
    arrivals = Arrivals(load)
    # An ack has no answer: when they have all been heard is asked below.
    while arrivals.left:
        for message in await subscription.fetch(load.credit, timeout=_FETCH_SECONDS):
            arrivals.take(message.data)
            await message.ack()
    told = await subscription.consumer_info()
    while told.num_ack_pending:
        await sleep(_LOOK_SECONDS)
        told = await subscription.consumer_info()
    promise(told.ack_floor.consumer_seq == len(load.bodies), f"not all was acknowledged: {told}")
