"""RabbitMQ."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.peers.peer import Missing, Peer
from benchmarks.peers.server import Command, Server, free_port
from benchmarks.peers.wires.amqp import AmqpWire

_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class Rabbitmq(Peer):
    name = "RabbitMQ"
    settings = (
        "a durable classic queue, persistent messages, publisher confirms; plain TCP; "
        "its default otherwise"
    )
    batch = "prefetch, and one ack for all that came"
    groups = 10

    def __init__(self) -> None:
        super().__init__()
        self._names: Server | None = None
        self._names_port = 0

    def version(self) -> str:
        if not _SCRIPT.exists() or shutil.which("epmd") is None:
            raise Missing("apt-get install rabbitmq-server")
        words = ["dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server"]
        told = subprocess.run(words, check=True, capture_output=True, text=True)
        return told.stdout.split("-")[0]

    def prepare(self, directory: Path) -> None:
        """Have Erlang's name server for this node alone: it would start one that stays."""
        self._names_port = free_port()
        words = ["epmd", "-address", "127.0.0.1", "-port", str(self._names_port)]
        self._names = Server(Command(words), self._names_port, directory / "epmd.log")
        self._names.wait_until_listening()

    def command(self, port: int, directory: Path) -> Command:
        home = str(directory)
        environment = {
            "HOME": home,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names_port),
            "RABBITMQ_NODENAME": "benchmark@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
            "RABBITMQ_LOG_BASE": f"{home}/logs",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
            "RABBITMQ_PID_FILE": f"{home}/pid",
        }
        return Command([str(_SCRIPT)], cwd=directory, environment=environment)

    def stop(self) -> None:
        super().stop()
        if self._names is not None:
            self._names.stop()
            self._names = None

    def wire(self, topic: str) -> AmqpWire:
        return AmqpWire(topic)
