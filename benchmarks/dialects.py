"""The other systems' APIs under the loads that their documents suggest.

ZapQ's README asks for 50,000 enqueues, 100 at a time, and for consumers that
drain them: so each dialect gets them, over HTTP/1.1 in clear with connections
that are kept. Every answer is looked at, and every message counted: each comes
out once. ZoldyQ also has them over one WebSocket in, and one out.
"""

import argparse
import json
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.figures import Figures, Peer, print_table
from benchmarks.keep_alive import Ask, Take, drive, from_each, get, post
from benchmarks.processor import Meter
from benchmarks.sockets import pipeline_in, stream_out
from miniqueue_py.certificates import make_certificates
from tests.outside.dialects import dialect_broker, dialect_url

_PRODUCERS = 100
_LIMIT_SECONDS = 600.0
_MOST_MESSAGES = 100_000
_BODY = b"1PfTbgnrVFm1sIF4cfRYTg==\n"
"""Of `head -c 16 /dev/urandom | base64`."""


def main(words: Sequence[str]) -> None:
    arguments = _parse(words)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        signal.signal(number, signal.default_int_handler)
    for fsync in arguments.fsync:
        with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
            certificates = make_certificates(Path(directory))
            flags = ("-fsync", fsync, "-zapq-max-msgs", f"{_MOST_MESSAGES}")
            database = Path(directory, "db")
            with dialect_broker(database, certificates, *flags) as broker:
                peer = Peer(broker.port, broker.ca, broker.pid)
                ports = {
                    name: urlsplit(dialect_url(broker, name)).port or 0
                    for name in ("zapq", "coramq", "zoldyq", "tasks")
                }
                works = _works(ports, arguments.messages, arguments.consumers)
                figures = [_measure(peer, *work) for work in works]
        print(f"\n-fsync {fsync}, HTTP/1.1 in clear; ", end="")
        print(f"{_PRODUCERS} producers, {arguments.consumers} consumers\n")
        print_table(figures, {})


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks dialects",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    policies = ["never", "always"]
    parser.add_argument("--messages", type=int, default=50_000, help="for each (50,000)")
    parser.add_argument("--consumers", type=int, default=8, help="at once (8)")
    parser.add_argument("--fsync", nargs="+", choices=[*policies, "interval"], default=policies)
    arguments = parser.parse_args(words)
    if not 1 <= arguments.messages <= _MOST_MESSAGES:
        parser.error(f"--messages is 1 to {_MOST_MESSAGES:,}")
    return arguments


_Work = tuple[str, int, Callable[[], float]]
"""What it is called, how many messages it is for, and what does it."""


def _measure(peer: Peer, name: str, count: int, work: Callable[[], float]) -> Figures:
    meter = Meter(peer)
    return meter.read_into(Figures(name, count, work()))


def _works(ports: dict[str, int], count: int, consumers: int) -> Iterator[_Work]:
    zapq, coramq, zoldyq = ports["zapq"], ports["coramq"], ports["zoldyq"]
    payload = b'{"payload":{"email":"user@example.com","subject":"Welcome"}}'
    items = (
        b'{"item":{"id":"%d","payload":"%b","priority":5}}' % (number, _BODY.strip())
        for number in range(count)
    )
    yield "zapq enqueue", count, lambda: _put(zapq, post("/enqueue", _BODY), count, 202)
    yield "zapq dequeue", count, lambda: _take(zapq, get("/dequeue"), count, consumers)

    queue = post("/queues", b'{"queueName":"load"}')
    _drive(coramq, 1, from_each(iter([queue])), _expect(201))
    puts = from_each(post("/queues/load/enqueue", item) for item in items)
    yield (
        "coramq enqueue",
        count,
        lambda: _drive(coramq, _PRODUCERS, puts, _expect(200)),
    )
    yield "coramq dequeue, acknowledge", count, lambda: _acknowledge(coramq, count, consumers)

    enqueue, dequeue = "/queues/load/enqueue", "/queues/load/dequeue"
    yield "zoldyq enqueue", count, lambda: _put(zoldyq, post(enqueue, payload), count, 200)
    yield "zoldyq dequeue", count, lambda: _take(zoldyq, get(dequeue), count, consumers)
    yield (
        "zoldyq WebSocket in",
        count,
        lambda: uvloop.run(pipeline_in(zoldyq, "/queues/streams/enqueue", count, _LIMIT_SECONDS)),
    )
    yield (
        "zoldyq WebSocket out",
        count,
        lambda: uvloop.run(stream_out(zoldyq, "/queues/streams/dequeue", count, _LIMIT_SECONDS)),
    )

    task = post("/task", b'{"type":"email-notification","payload":"user@example.com"}')
    yield "tasks, a burst", count, lambda: _put(ports["tasks"], task, count, 202)


def _drive(port: int, connections: int, ask: Ask, take: Take) -> float:
    return uvloop.run(drive(port, connections, ask, take, _LIMIT_SECONDS))


def _put(port: int, request: bytes, count: int, status: int) -> float:
    requests = from_each(request for _ in range(count))
    return _drive(port, _PRODUCERS, requests, _expect(status))


def _expect(expected: int) -> Take:
    def take(status: int, body: bytes) -> None:
        if status != expected:
            raise RuntimeError(f"the broker answered {status} {body!r}")

    return take


def _take(port: int, request: bytes, count: int, consumers: int) -> float:
    """Take until all are told that there is no more: exactly as many as were put."""
    taken = misses = 0

    def ask() -> bytes | None:
        return request if misses < consumers else None

    def take(status: int, body: bytes) -> None:
        nonlocal taken, misses
        if status not in {200, 204}:
            raise RuntimeError(f"the broker answered {status} {body!r}")
        taken += status == 200
        misses += status == 204

    seconds = _drive(port, consumers, ask, take)
    if taken != count:
        raise RuntimeError(f"{taken} of {count} came out")
    return seconds


def _acknowledge(port: int, count: int, consumers: int) -> float:
    """Take each item of CoraMQ's and acknowledge it."""
    dequeue = post("/queues/load/dequeue", b"{}")
    ids: list[str] = []
    seen: set[str] = set()
    misses = 0

    def ask() -> bytes | None:
        if ids:
            return post("/queues/load/acknowledge", b'{"itemId":"%b"}' % ids.pop().encode())
        return dequeue if misses < consumers else None

    def take(status: int, body: bytes) -> None:
        nonlocal misses
        if status == 404 and b"Queue is empty" in body:
            misses += 1
        elif status != 200:
            raise RuntimeError(f"the broker answered {status} {body!r}")
        elif (item := json.loads(body).get("item")) is not None:
            if item["id"] in seen:
                raise RuntimeError(f"the item {item['id']} came twice")
            seen.add(item["id"])
            ids.append(item["id"])

    seconds = _drive(port, consumers, ask, take)
    if len(seen) != count:
        raise RuntimeError(f"{len(seen)} of {count} came out")
    return seconds
