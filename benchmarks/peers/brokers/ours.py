"""Ours, and another checkout of ours."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.peers.brokers.miniqueue import Http2Peer
from benchmarks.peers.peer import Missing
from benchmarks.peers.sample import Done
from benchmarks.peers.server import Command, free_port
from benchmarks.peers.wires.duplex import Address
from benchmarks.peers.wires.streams import credit_load, stream_load

PROJECT = Path(__file__).resolve().parents[3]

DIALECTS = ("zapq", "coramq", "zoldyq", "tasks")

_MOST_MESSAGES = "5000000"


@dataclass(frozen=True)
class Checkout:
    """A tree of the project, and the interpreter that has what it needs."""

    name: str
    directory: Path = PROJECT
    python: str = sys.executable

    def commit(self) -> str:
        """Return what git says of it; nothing where there is no git."""
        words = ["git", "-C", str(self.directory), "describe", "--always", "--dirty", "--abbrev=12"]
        try:
            told = subprocess.run(words, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError):
            return ""
        return told.stdout.strip()


class Ours(Http2Peer):
    def __init__(self, checkout: Checkout, fsync: str) -> None:
        super().__init__()
        self.checkout = checkout
        self.fsync = fsync
        self.name = f"{checkout.name}, {fsync}"
        self.settings = f"-fsync {fsync}; TLS; its default otherwise"
        self.batch = "credit, and one ACK for all that came"
        self.dialect_ports: dict[str, int] = {}

    def version(self) -> str:
        if not (self.checkout.directory / "miniqueue_py").is_dir():
            raise Missing(f"{self.checkout.directory} is no checkout of ours")
        return self.checkout.commit()

    def command(self, port: int, directory: Path) -> Command:
        self.dialect_ports = {name: free_port() for name in DIALECTS}
        dialects = ",".join(f"{name}={port}" for name, port in self.dialect_ports.items())
        words = [self.checkout.python, "-m", "miniqueue_py", "-host", "127.0.0.1"]
        words += ["-port", str(port), "-db", str(directory / "db"), "-fsync", self.fsync]
        words += ["-cert", str(self.certificates.certificate), "-key", str(self.certificates.key)]
        words += ["-dialect", dialects, "-zapq-max-msgs", _MOST_MESSAGES]
        words += ["-zoldyq-capacity", _MOST_MESSAGES]
        return Command(words, cwd=self.checkout.directory)

    def stream(self, topic: str, size: int, seconds: float, limit: int = 2**62) -> Done:
        return stream_load(self.address, topic, size, seconds, limit)

    def consume(self, topic: str, credit: int, seconds: float, limit: int) -> Done:
        if credit == 1:
            return super().consume(topic, credit, seconds, limit)
        return credit_load(self.address, topic, credit, seconds, limit)

    @property
    def address(self) -> Address:
        return Address(self.server.port, self.certificates.authority)

    def told(self, topic: str) -> dict[str, Any]:
        """Return what the broker says of a topic."""
        url = f"https://localhost:{self.server.port}/topics/{topic}"
        trust = self.trust()
        assert trust is not None
        trust.set_alpn_protocols(["http/1.1"])
        with urlopen(url, timeout=30, context=trust) as answer:
            told: dict[str, Any] = json.load(answer)
        return told
