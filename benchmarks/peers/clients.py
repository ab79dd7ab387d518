"""What the client libraries do, each in a process of its own: ours, ours before, and others'."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.peers.brokers.ours import PROJECT, Ours
from benchmarks.peers.peer import Missing, Peer
from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.works import Figure, Figures, Scale, Work

_CREDIT = 1000
_A_SECOND = 50_000
_LIMIT_SECONDS = 120
_OTHERS = {
    "NATS JetStream": ("nats", "nats_py", "nats-py"),
    "Redis": ("redis", "redis_py", "redis"),
}


def has_client(peer: Peer) -> bool:
    return isinstance(peer, Ours) or peer.name in _OTHERS


def _client(peer: Peer, scale: Scale) -> Figures:
    module, python, directory, ca = _program(peer)
    count = min(scale.most, _A_SECOND * scale.seconds)
    words = [python, "-m", f"benchmarks.clients.{module}", f"{peer.server.port}", ca]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(directory), str(PROJECT)))}
    ended = subprocess.run(
        [*words, f"{count}", f"{_CREDIT}"],
        cwd=directory,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
    )
    if ended.returncode:
        raise BrokenPromise(f"the client ended with {ended.stderr[-1000:]}")
    for way, told in json.loads(ended.stdout).items():
        yield Figure(f"client {way}", count / told["seconds"], module, told["share"])


def _program(peer: Peer) -> tuple[str, str, Path, str]:
    """Return module, interpreter and checkout of a peer's client, and whom it trusts."""
    if isinstance(peer, Ours):
        checkout = peer.checkout
        return "ours", checkout.python, checkout.directory, str(peer.certificates.authority)
    package, module, wheel = _OTHERS[peer.name]
    if find_spec(package) is None:
        raise Missing(f"pip install {wheel}")
    return module, sys.executable, PROJECT, ""


CLIENTS = (Work("client", _client),)
