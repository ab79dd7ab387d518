"""nghttp2's load generator: a client nobody suspects."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.sample import BrokenPromise, Done

_GRACE_SECONDS = 30
_STATUSES = re.compile(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx")
_REQUESTS = re.compile(r"(\d+) failed, (\d+) errored, (\d+) timeout")


def find_h2load() -> str | None:
    return shutil.which("h2load")


def h2load(port: int, topics: Sequence[str], connections: int, lanes: int, seconds: int) -> Done:
    """Publish ten bytes a request, to these topics in turn."""
    with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
        body, addresses = Path(directory, "body"), Path(directory, "addresses")
        body.write_bytes(b"0123456789")
        lines = [f"https://127.0.0.1:{port}/publish/{topic}\n" for topic in topics]
        addresses.write_text("".join(lines))
        command = ["h2load", "-c", f"{connections}", "-m", f"{lanes}", "-D", f"{seconds}"]
        command += ["-d", str(body), "-i", str(addresses)]
        told = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=seconds + _GRACE_SECONDS
        ).stdout
    return Done(count_successes(told), seconds, "h2load")


def count_successes(told: str) -> int:
    """Return how many publishes were answered well; raise BrokenPromise if one was not."""
    statuses, requests = _STATUSES.search(told), _REQUESTS.search(told)
    if statuses is None or requests is None:
        raise BrokenPromise(f"h2load said {told!r}")
    good, *bad = map(int, statuses.groups())
    if any(bad) or any(map(int, requests.groups())) or not good:
        raise BrokenPromise(f"h2load counted {statuses[0]}; {requests[0]}")
    return good
