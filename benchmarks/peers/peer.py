"""What all brokers have in common: start, stop, publish, consume, and their settings in words.

A peer brings the command that starts it and the words of its wire. Whatever it
cannot do is said, with the reason, in `cannot`.
"""

import signal
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

import uvloop

from benchmarks.peers import loads
from benchmarks.peers.line import Place
from benchmarks.peers.sample import BrokenPromise, Done
from benchmarks.peers.server import Command, Server, free_port
from benchmarks.peers.wires.wire import Wire

TOPIC = "work"
FILL_SECONDS = 300.0

_READY_SECONDS = 300.0
_LOOK_SECONDS = 0.002


class Missing(Exception):
    """The machine has not what a peer needs; the text says what would bring it."""


class Peer:
    """A broker that takes part. Started in an empty directory for each work."""

    name: str
    settings: str
    """How it keeps messages, and what else a reader must know."""
    batch: str = ""
    """How it hands out many messages at once."""
    cannot: ClassVar[Mapping[str, str]] = {}
    """From a work to the reason why there is no figure of it."""
    stop_signal = signal.SIGTERM
    groups: int = 1
    """Groups of `loads.GROUP` messages that a streamed publish has unconfirmed."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._directory = Path()

    def __repr__(self) -> str:
        return f"<Peer {self.name}>"

    def version(self) -> str:
        """Return the broker's version; raises Missing where there is no such broker."""
        raise NotImplementedError

    def command(self, port: int, directory: Path) -> Command:
        raise NotImplementedError

    def wire(self, topic: str) -> Wire:
        raise NotImplementedError

    def prepare(self, directory: Path) -> None:
        """Do what has to be done once, before the first start in a directory."""

    def set_up(self) -> None:
        """Do what has to be done once, when it listens for the first time."""

    def trust(self) -> ssl.SSLContext | None:
        """Return what its clients trust, where it speaks TLS."""
        return None

    @property
    def server(self) -> Server:
        assert self._server is not None, f"{self!r} was not started"
        return self._server

    @property
    def directory(self) -> Path:
        return self._directory

    def start(self, directory: Path) -> None:
        self._directory = directory
        self.prepare(directory)
        self._spawn()
        self.server.wait_until_listening()
        self.set_up()

    def stop(self) -> None:
        """End all that was started; fine if nothing was."""
        self._end()

    def seconds_to_first_delivery(self, topic: str = TOPIC) -> float:
        """Stop it, start it on the same directory, and take a message as soon as it gives one."""
        self._end()
        start = time.perf_counter()
        self._spawn()
        while True:
            place = Place(self.server.port, self.trust())
            try:
                uvloop.run(loads.first_delivery(place, partial(self.wire, topic)))
            except (OSError, BrokenPromise):
                self.server.check_running()
                if time.perf_counter() - start > _READY_SECONDS:
                    raise
                time.sleep(_LOOK_SECONDS)
            else:
                return time.perf_counter() - start

    def publish(self, topic: str, connections: int, lanes: int, seconds: int) -> Done:
        """Publish ten bytes a message, so many of them unconfirmed on each connection."""
        load = loads.publish(
            self._place, partial(self.wire, topic), connections, lanes, seconds, 2**62
        )
        return uvloop.run(load)

    def stream(self, topic: str, size: int, seconds: float, limit: int = 2**62) -> Done:
        """Publish as fast as one connection can."""
        opens = partial(self.wire, topic)
        return uvloop.run(loads.stream(self._place, opens, self.groups, size, seconds, limit))

    def fill(self, topic: str, count: int, seconds: float = FILL_SECONDS) -> int:
        """Have messages of 100 bytes wait, and return how many there are then."""
        return self.stream(topic, 100, seconds, count).count

    def consume(self, topic: str, credit: int, seconds: float, limit: int) -> Done:
        """Take and acknowledge what is there, so many at a time."""
        limit = max(credit, limit // credit * credit)
        load = loads.consume(self._place, partial(self.wire, topic), credit, seconds, limit)
        return uvloop.run(load)

    def latency(self, topic: str, rate: int, seconds: int) -> Done:
        """From publish to delivery, to a consumer in lock-step."""
        return uvloop.run(loads.latency(self._place, partial(self.wire, topic), rate, seconds))

    @property
    def _place(self) -> Place:
        return Place(self.server.port, self.trust())

    def _spawn(self) -> None:
        port = free_port()
        command = self.command(port, self._directory)
        self._server = Server(command, port, self._directory / "log")

    def _end(self) -> None:
        if self._server is not None:
            self._server.stop(self.stop_signal)
            self._server = None


def ask(port: int, question: bytes, is_answered: Callable[[bytes], bool]) -> bytes:
    """Send a question, again while the broker is not ready for it, and return the answer."""
    deadline = time.monotonic() + _READY_SECONDS
    answer = b""
    while time.monotonic() < deadline:
        answer = b""
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as plain:
            plain.sendall(question)
            while chunk := plain.recv(1 << 16):
                answer += chunk
                if is_answered(answer):
                    return answer
        time.sleep(_LOOK_SECONDS)
    raise BrokenPromise(f"to {question!r} the answer was {answer!r}")
