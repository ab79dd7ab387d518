"""Brokers with MiniQueue's wire: the original, in Go, and what it has in common with ours."""

import ssl
from pathlib import Path

import uvloop

from benchmarks.peers.h2load import find_h2load, h2load
from benchmarks.peers.loads import publish
from benchmarks.peers.peer import FILL_SECONDS, Missing, Peer
from benchmarks.peers.sample import Done
from benchmarks.peers.server import Command
from benchmarks.peers.wires.frames import trusting
from benchmarks.peers.wires.http2 import Http2Wire
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths

_ONE_BY_ONE = "a request a message, and one message at a time"
_FILL_CONNECTIONS, _FILL_LANES = 12, 10


class Http2Peer(Peer):
    """A request a message, over TLS and HTTP/2."""

    def __init__(self) -> None:
        super().__init__()
        self._certificates: CertificatePaths | None = None

    @property
    def certificates(self) -> CertificatePaths:
        assert self._certificates is not None, f"{self!r} was not started"
        return self._certificates

    def prepare(self, directory: Path) -> None:
        self._certificates = make_certificates(directory)

    def trust(self) -> ssl.SSLContext | None:
        return trusting(self.certificates.authority)

    def wire(self, topic: str) -> Http2Wire:
        return Http2Wire(topic)

    def publish(self, topic: str, connections: int, lanes: int, seconds: int) -> Done:
        return self.publish_to([topic], connections, lanes, seconds)

    def publish_to(self, topics: list[str], connections: int, lanes: int, seconds: int) -> Done:
        """Publish to each topic in turn."""
        if find_h2load() is None:
            raise Missing("apt-get install nghttp2-client")
        return h2load(self.server.port, topics, connections, lanes, seconds)


class Miniqueue(Http2Peer):
    name = "MiniQueue (Go)"
    settings = "LevelDB without fsync, as it ships; TLS; -level disabled"
    cannot = {  # noqa: RUF012  never changed
        "stream": _ONE_BY_ONE,
        "credit": _ONE_BY_ONE,
    }

    def __init__(self, program: Path | None) -> None:
        super().__init__()
        self._program = program

    def version(self) -> str:
        """Return nothing: it does not say."""
        if self._program is None:
            raise Missing("--miniqueue PATH, of its binary")
        if not self._program.exists():
            raise Missing(f"there is no {self._program}")
        return ""

    def command(self, port: int, directory: Path) -> Command:
        words = [str(self._program), "-port", str(port), "-db", str(directory / "db")]
        words += ["-cert", str(self.certificates.certificate), "-key", str(self.certificates.key)]
        return Command([*words, "-level", "disabled"])

    def fill(self, topic: str, count: int, seconds: float = FILL_SECONDS) -> int:
        """Fill it by single publishes, for want of a stream."""
        load = publish(
            self._place,
            lambda: self.wire(topic),
            _FILL_CONNECTIONS,
            _FILL_LANES,
            seconds,
            count,
            100,
        )
        return uvloop.run(load).count
