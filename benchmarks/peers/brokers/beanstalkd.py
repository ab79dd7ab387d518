"""beanstalkd."""

import shutil
from pathlib import Path

from benchmarks.peers.peer import Missing, Peer
from benchmarks.peers.server import Command, version_of
from benchmarks.peers.wires.beanstalkd import BeanstalkdWire


class Beanstalkd(Peer):
    name = "beanstalkd"
    settings = "binlog (-b), fsync at most each 50 ms (-f50, its default); plain TCP"
    batch = "so many reserves sent ahead, and a delete each"
    groups = 10

    def version(self) -> str:
        if shutil.which("beanstalkd") is None:
            raise Missing("apt-get install beanstalkd")
        return version_of("beanstalkd", "-v")

    def command(self, port: int, directory: Path) -> Command:
        log = directory / "binlog"
        log.mkdir(exist_ok=True)
        words = ["beanstalkd", "-l", "127.0.0.1", "-p", str(port), "-b", str(log), "-f50"]
        return Command(words)

    def wire(self, topic: str) -> BeanstalkdWire:
        return BeanstalkdWire(topic)
