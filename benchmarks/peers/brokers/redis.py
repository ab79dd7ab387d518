"""Redis streams."""

import shutil
from pathlib import Path

from benchmarks.peers.peer import TOPIC, Missing, Peer, ask
from benchmarks.peers.server import Command, version_of
from benchmarks.peers.wires.redis import RedisWire


class Redis(Peer):
    name = "Redis"
    settings = (
        "streams; appendonly yes, appendfsync everysec, no snapshots; plain TCP; streamed publish "
        "in pipelines of 100; acknowledged messages are not deleted"
    )
    batch = "XREADGROUP COUNT, and one XACK for all"

    def version(self) -> str:
        if shutil.which("redis-server") is None:
            raise Missing("apt-get install redis-server")
        return version_of("redis-server")

    def command(self, port: int, directory: Path) -> Command:
        words = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        words += ["--dir", str(directory), "--appendonly", "yes", "--appendfsync", "everysec"]
        return Command(words)

    def set_up(self) -> None:
        ask(self.server.port, RedisWire.setup(TOPIC), lambda answer: b"+OK\r\n" in answer)

    def wire(self, topic: str) -> RedisWire:
        return RedisWire(topic)
