"""The busy requests over HTTP/1.1, by wrk over a hundred connections: ours, and ours before.

What a publish is answered is counted by wrk. What comes out is counted by the
broker: how many messages of the topic are acknowledged.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.brokers.ours import Ours
from benchmarks.peers.peer import Missing, Peer
from benchmarks.peers.sample import BrokenPromise, Done
from benchmarks.peers.works import Figure, Figures, Scale, Work, rate_of

CONNECTIONS = 100

_GRACE_SECONDS = 30
_PRELOADED_A_SECOND = 200_000
_COUNT = re.compile(r"(\d+) requests in")
_BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)")

_POST = """wrk.method = "POST"
wrk.body = [[{body}]]
"""
_GET = 'wrk.method = "GET"\n'
_ITEMS = """local number = 0
request = function()
  number = number + 1
  return wrk.format("POST", nil, nil,
    '{"item":{"id":"' .. number .. '","payload":"1PfTbgnrVFm1sIF4cfRYTg==","priority":5}}')
end
"""
_ACKNOWLEDGE = """local ids = {}
request = function()
  local id = table.remove(ids)
  if id then
    return wrk.format("POST", "/queues/load/acknowledge", nil, '{"itemId":"' .. id .. '"}')
  end
  return wrk.format("POST", "/queues/load/dequeue", nil, "{}")
end
response = function(status, headers, body)
  local id = string.match(body, '"item":{"id":"([^"]+)"')
  if id then ids[#ids + 1] = id end
end
"""
_BODY = "1PfTbgnrVFm1sIF4cfRYTg=="
"""Of `head -c 16 /dev/urandom | base64`, as ZapQ's README suggests."""
_PAYLOAD = '{"payload":{"email":"user@example.com","subject":"Welcome"}}'
_TASK = '{"type":"email-notification","payload":"user@example.com"}'


def _http1(peer: Peer, scale: Scale) -> Figures:
    assert isinstance(peer, Ours)
    if shutil.which("wrk") is None:
        raise Missing("apt-get install wrk")
    native = f"https://localhost:{peer.server.port}/publish/native"
    urls = {name: f"http://127.0.0.1:{port}" for name, port in peer.dialect_ports.items()}
    load = f"{urls['coramq']}/queues/load"
    yield _put(peer, "HTTP/1.1 publish, TLS", native, _post("0123456789"), scale)
    yield _put(peer, "ZapQ enqueue", f"{urls['zapq']}/enqueue", _post(_BODY), scale)
    yield _put(peer, "CoraMQ enqueue", f"{load}/enqueue", _ITEMS, scale, "load")
    enqueue = f"{urls['zoldyq']}/queues/other/enqueue"
    yield _put(peer, "ZoldyQ enqueue", enqueue, _post(_PAYLOAD), scale)
    yield _put(peer, "tasks enqueue", f"{urls['tasks']}/task", _post(_TASK), scale)
    yield from _take_all(peer, urls, scale)


def _take_all(peer: Ours, urls: dict[str, str], scale: Scale) -> Iterator[Figure]:
    """Take what a stream puts in beforehand."""
    count = min(scale.most, _PRELOADED_A_SECOND * scale.seconds)
    peer.fill("zapq", count)
    yield _take(peer, "ZapQ dequeue", f"{urls['zapq']}/dequeue", _GET, "zapq", scale)
    peer.fill("load", count)
    dequeue = f"{urls['coramq']}/queues/load/dequeue"
    yield _put(peer, "CoraMQ dequeue", dequeue, _post("{}"), scale)
    yield _take(peer, "CoraMQ dequeue, acknowledge", dequeue, _ACKNOWLEDGE, "load", scale)
    peer.fill("other", count)
    dequeue = f"{urls['zoldyq']}/queues/other/dequeue"
    yield _take(peer, "ZoldyQ dequeue", dequeue, _GET, "other", scale)


def _put(  # noqa: PLR0913, PLR0917  a load is made of its numbers
    peer: Ours, measure: str, url: str, script: str, scale: Scale, topic: str = ""
) -> Figure:
    if topic:
        peer.fill(topic, 1)  # CoraMQ's queues have to be there
    return rate_of(peer, measure, lambda: wrk(url, script, scale.seconds))


def _take(  # noqa: PLR0913, PLR0917  likewise
    peer: Ours, measure: str, url: str, script: str, topic: str, scale: Scale
) -> Figure:
    """Count what is acknowledged; there has to be enough of it to the end."""

    def load() -> Done:
        before = peer.told(topic)["acknowledged"]
        done = wrk(url, script, scale.seconds)
        after = peer.told(topic)
        if not after["ready"]:
            raise BrokenPromise("all messages were gone before the end")
        return Done(after["acknowledged"] - before, done.seconds, done.generator)

    return rate_of(peer, measure, load)


def wrk(url: str, script: str, seconds: int) -> Done:
    """Ask over and over on all connections."""
    with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
        path = Path(directory, "load.lua")
        path.write_text(script)
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(path), url]
        told = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=seconds + _GRACE_SECONDS
        ).stdout
    return Done(count_requests(told), seconds, "wrk")


def count_requests(told: str) -> int:
    """Return how many requests were answered; raise BrokenPromise if one was refused."""
    counted, bad = _COUNT.search(told), _BAD.search(told)
    if counted is None or bad is not None:
        raise BrokenPromise(f"wrk said {told!r}")
    return int(counted[1])


def _post(body: str) -> str:
    return _POST.replace("{body}", body)


HTTP1 = (Work("http1", _http1),)
