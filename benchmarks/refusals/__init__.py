"""Who reads a refusal: every client, every refusal, so many times each.

The broker refuses before a body is whole, and many a client looks at the answer
only when it has sent all. So each of these must go on until it has read it.
A table tells how often each client read the status and the words with it.
"""

import argparse
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.broker import running_broker
from benchmarks.refusals.cases import ALL, FULL_TOPIC, Desk
from benchmarks.refusals.readers import READERS, Reader
from tests.outside.server import RunningBroker

_MOST_COMPLAINTS = 40


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks refusals",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--times", type=int, default=100, help="of each request (100)")
    parser.add_argument("--largest", type=int, default=32, help="body, in MiB (32)")
    names = [reader.name for reader in READERS]
    parser.add_argument("--readers", nargs="+", choices=names, default=names)
    arguments = parser.parse_args(words)
    readers = [each for each in READERS if each.name in arguments.readers]
    with running_broker("never") as broker, open_desk(broker) as desk:
        code = ask_all(desk, readers, arguments.times, arguments.largest << 20)
        print(f"broker's memory at the end: {broker.rss_bytes() / 2**20:.0f} MiB")
    sys.exit(code)


@contextmanager
def open_desk(broker: RunningBroker) -> Iterator[Desk]:
    """Make a topic full, and a directory for bodies."""
    with tempfile.TemporaryDirectory(prefix="miniqueue-refusals-") as bodies:
        desk = Desk(broker.port, broker.ca, Path(bodies))
        url = f"https://localhost:{broker.port}"
        trust = ssl.create_default_context(cafile=broker.ca)
        with httpx.Client(verify=trust) as client:
            client.put(f"{url}/topics/{FULL_TOPIC}", json={"maxMessages": 1}).raise_for_status()
            client.post(f"{url}/publish/{FULL_TOPIC}", content=b"one")
        yield desk


def ask_all(desk: Desk, readers: list[Reader], times: int, largest: int) -> int:
    """Print the table as it comes; return the exit code, 1 if an answer was not read."""
    print(f"read of {times}, of what each is asked to send\n")
    print(f"{'':26}" + "".join(f"{reader.name:>11}" for reader in readers))
    complaints: Counter[str] = Counter()
    seconds = dict.fromkeys((reader.name for reader in readers), 0.0)
    asked = dict.fromkeys(seconds, 0)
    for refusal in ALL:
        if refusal.size > largest + 1:
            continue
        print(f"{refusal.name:26}", end="", flush=True)
        for reader in readers:
            if not reader.is_installed or not reader.can_send(refusal):
                print(f"{'-':>11}", end="", flush=True)
                continue
            start = time.monotonic()
            outcomes = Counter(reader.ask(desk, refusal, times))
            seconds[reader.name] += time.monotonic() - start
            asked[reader.name] += times
            print(f"{outcomes.pop(str(refusal.status), 0):11}", end="", flush=True)
            for outcome, count in outcomes.items():
                complaints[f"{reader.name}, {refusal.name}: {outcome}"] += count
        print()
    print(f"{'ms each, on average':26}", end="")
    print("".join(f"{1000 * seconds[name] / max(asked[name], 1):11.0f}" for name in seconds))
    for complaint, count in complaints.most_common(_MOST_COMPLAINTS):
        print(f"{count} x {complaint}")
    return 1 if complaints else 0
