"""Attack a broker on loopback: `python -m benchmarks attacks [NAME ...]`.

Each attack has a broker of its own, and beside it two lawful clients, which
publish 250 messages a second each, consume them with a credit of 100, and somebody
who makes a new connection each half second. They are to keep 0.8 of the rate
that they have when a third lawful client takes the attacker's place; no new
connection may take 5 s; afterwards memory comes back to within 60 MB, and
descriptors to within 8; the log has no traceback, and less than 500 lines.

NAME is the beginning of an attack's name, or a part of it. `--list` names them all.
"""

import argparse
import multiprocessing
import os
import re
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.attacks import (
    frame_floods,
    http1,
    readers,
    requests,
    resets,
    silence,
    sockets,
    tokens,
    tricks,
)
from benchmarks.attacks.enemy import Target
from benchmarks.attacks.floods import ATTACKS
from benchmarks.attacks.neighbours import Share, take_the_place_of_an_attacker, watch
from benchmarks.attacks.tokens import GUARDED
from benchmarks.broker import running_broker
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import RIGHTS
from miniqueue_py.http.access.secrets import digest_of, new_secret
from miniqueue_py.http.access.token_file import add_token
from miniqueue_py.http.access.token_line import TokenLine
from tests.outside.server import RunningBroker

_ROOMS = (requests, resets, frame_floods, silence, readers, http1, sockets, tokens, tricks)
"""Each enters its attacks in ATTACKS."""

LEAST_RATIO = 0.8
SLOWEST_CONNECTION = 5.0
MOST_MEMORY = 60e6
MOST_DESCRIPTORS = 8
MOST_LOG_LINES = 500

_RATE = "rate"

_RECOVERY_SECONDS = 15.0
_LOOK_EVERY = 0.25
_QUOTED = 1500
"""Characters of a traceback."""

_NICE = 5
"""For the attacker: it is to cost the broker's time, not this machine's."""

_spawn = multiprocessing.get_context("forkserver")
_spawn.set_forkserver_preload(["benchmarks.attacks.main"])


@dataclass(frozen=True)
class Level:
    """What the process has taken."""

    memory: int
    descriptors: int
    lines: int

    @classmethod
    def of(cls, broker: RunningBroker) -> "Level":
        descriptors = len(list(Path(f"/proc/{broker.pid}/fd").iterdir()))
        return cls(broker.own_bytes(), descriptors, len(broker.log_lines()))


@dataclass(frozen=True)
class Outcome:
    """What an attack came to."""

    struck: str
    ratio: float
    slowest: float
    most_memory: int
    memory: int
    descriptors: int
    lines: int
    problem: str

    @property
    def verdict(self) -> str:
        faults = [
            (self.problem, bool(self.problem)),
            (_RATE, self.ratio < LEAST_RATIO),
            ("connecting", self.slowest > SLOWEST_CONNECTION),
            ("memory", self.memory > MOST_MEMORY),
            ("descriptors", self.descriptors > MOST_DESCRIPTORS),
            ("log", self.lines >= MOST_LOG_LINES),
        ]
        return ", ".join(fault for fault, is_so in faults if is_so) or "holds"


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks attacks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="those alone; else all")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each attack (4)")
    parser.add_argument("--list", action="store_true", help="name the attacks, and do none")
    arguments = parser.parse_args(words)
    chosen = [
        name
        for name in ATTACKS
        if not arguments.names or any(part in name for part in arguments.names)
    ]
    if arguments.list:
        print(*chosen, sep="\n")
        return
    print(f"{'attack':50}{'struck':28}{'rate':>6}{'connect':>9}{'peak':>8}{'memory':>9}", end="")
    print(f"{'fds':>5}{'log':>5}  verdict")
    fallen = 0
    for name in chosen:
        outcome = _attack(name, arguments.seconds)
        if outcome.verdict == _RATE:
            # Somebody else may have had the machine: only what falls twice has fallen.
            outcome = _attack(name, arguments.seconds)
        fallen += outcome.verdict != "holds"
        print(
            f"{name:50}{outcome.struck:28}{outcome.ratio:6.2f}{outcome.slowest:7.2f} s"
            f"{outcome.most_memory / 1e6:+5.0f} MB{outcome.memory / 1e6:+6.0f} MB"
            f"{outcome.descriptors:+5}{outcome.lines:5}  {outcome.verdict}",
            flush=True,
        )
    print(f"\n{len(chosen) - fallen} of {len(chosen)} hold")


def _attack(name: str, seconds: float) -> Outcome:
    with ExitStack() as stack:
        flags, token = _guard(stack) if name == GUARDED else ((), "")
        broker = stack.enter_context(running_broker("never", flags))
        others = (seconds, token)
        lawful, _ = _beside(broker, take_the_place_of_an_attacker, others, seconds, token)
        before = Level.of(broker)
        share, most = _beside(broker, _be_the_attacker, (name, seconds), seconds, token)
        if broker.is_running:
            after = _recover(broker, before)
            struck = _struck_in(broker, token)
        else:
            after, struck = before, {}
        return Outcome(
            ", ".join(f"{limit} {count}" for limit, count in struck.items()),
            share.beside(lawful) if lawful.confirmed and lawful.delivered else 0.0,
            share.slowest_connection,
            most - before.memory,
            after.memory - before.memory,
            after.descriptors - before.descriptors,
            after.lines - before.lines,
            share.problem or _stumble_of(broker),
        )


def _beside(
    broker: RunningBroker,
    attacker: Callable[..., None],
    words: tuple[object, ...],
    seconds: float,
    token: str,
) -> tuple[Share, int]:
    """Let neighbours and attacker go on at once; return their share and the most memory."""
    ours, theirs = _spawn.Pipe()
    neighbours = _spawn.Process(target=watch, args=(broker.port, broker.ca, seconds, theirs, token))
    neighbours.start()
    share = Share(seconds=seconds, problem="no neighbour came through")
    if ours.poll(30):
        ours.recv()
        other = _spawn.Process(target=attacker, args=(broker.port, broker.ca, *words))
        other.start()
        until = time.monotonic() + seconds + 60
        most = 0
        while not ours.poll(_LOOK_EVERY) and time.monotonic() < until and broker.is_running:
            most = max(most, broker.own_bytes())
        if ours.poll(0):
            share = ours.recv()
        other.join(10)
        other.kill()
    else:
        most = 0
    neighbours.join(5)
    neighbours.kill()
    return share, most


def _be_the_attacker(port: int, ca: Path, name: str, seconds: float) -> None:
    os.nice(_NICE)
    target = Target(port, ca, time.monotonic() + seconds)
    try:
        ATTACKS[name](target)
    except OSError as error:
        print(f"    the attacker gave up: {error!r}", flush=True)


def _recover(broker: RunningBroker, before: Level) -> Level:
    """Wait for what the attack took; return what is taken when it came back, or in the end."""
    until = time.monotonic() + _RECOVERY_SECONDS
    while True:
        now = Level.of(broker)
        is_back = (
            now.memory - before.memory <= MOST_MEMORY
            and now.descriptors - before.descriptors <= MOST_DESCRIPTORS
        )
        if is_back or time.monotonic() > until:
            return now
        time.sleep(_LOOK_EVERY)


def _guard(stack: ExitStack) -> tuple[Sequence[str], str]:
    """Return what a broker needs to tell clients apart, and a token that may do everything."""
    path = Path(stack.enter_context(TemporaryDirectory(prefix="miniqueue-tokens-")), "tokens")
    token = new_secret()
    principal = Principal(name="lawful", scopes=dict.fromkeys(RIGHTS, ("*",)))
    add_token(path, TokenLine(principal, digest_of(token.encode())))
    return ("-tokens", str(path)), token


def _struck_in(broker: RunningBroker, token: str) -> Mapping[str, int]:
    trust = ssl.create_default_context(cafile=broker.ca)
    url = f"https://localhost:{broker.port}/metrics"
    asked = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=10, context=trust) as answer:  # noqa: S310  https
        text = answer.read().decode()
    found = re.findall(r'miniqueue_connection_limits_total\{limit="(\w+)"\} (\d+)', text)
    return {limit: int(count) for limit, count in found if int(count)}


def _stumble_of(broker: RunningBroker) -> str:
    if not broker.is_running:
        return "the broker is dead"
    lines = broker.log_lines()
    traces = [line for line in lines if "Traceback" in line]
    if traces:
        print(traces[-1][-_QUOTED:], file=sys.stderr)
        return "traceback"
    return ""
