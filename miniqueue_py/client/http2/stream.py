"""One request and its answer, both as bytes that flow at the same time.

A stream does no I/O. What is to be sent is fetched by the connection's writer
when there is room for it, so many small things leave in one piece. What came is
kept until it is taken, and only then is the server's window opened again: who
does not read holds back the server, and nobody else.
"""

from collections import deque
from collections.abc import Callable, Mapping

import anyio

from miniqueue_py.client.http2.bell import Bell
from miniqueue_py.errors import ConnectionLost

NUDGE_SECONDS = 0.5


class Stream:
    """A request under way."""

    def __init__(
        self,
        number: int,
        wake_writer: Callable[["Stream"], None],
        open_window: Callable[[int, int], None],
        drop: Callable[["Stream"], None],
        *,
        room_step: int,
    ) -> None:
        self.number = number
        self.source: Callable[[], bytes] | None = None
        """Asked for more to send whenever there is room."""
        self.nudge: Callable[[], None] | None = None
        """Has whoever is at the other end say something."""
        self.on_broken: Callable[[], None] | None = None
        """Told when the stream ends by force."""
        self.token: str | None = None
        """That the request brought along."""
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.outgoing = bytearray()
        self.is_ending = False
        """Nothing follows what is in `outgoing` and what the source has by now."""
        self.has_sent_all = False
        self.has_heard = False
        """Something came; whoever watches sets it back."""
        self.has_ended = False
        """The answer has come to its end."""
        self._wake_writer = wake_writer
        self._open_window = open_window
        self._drop = drop
        self._room_step = room_step
        self._incoming: deque[bytes] = deque()
        self._sink: Callable[[bytes], None] | None = None
        self._came = 0
        """Bytes that came, and that the server may not send again yet."""
        self._taken = 0
        """Those of them that were taken."""
        self.failure: str | None = None
        """What ended it by force."""
        self._is_refused = False
        self._news = Bell()

    def __repr__(self) -> str:
        state = "failed" if self.is_broken else "ended" if self.has_ended else "open"
        return f"<Stream {self.number}, {state}>"

    @property
    def is_over(self) -> bool:
        """Nothing more comes, and what came was taken."""
        return not self._incoming and (self.has_ended or self.failure is not None)

    @property
    def is_held_back(self) -> bool:
        """Tell if so much was not taken that the server may soon send nothing."""
        return self._came >= self._room_step

    @property
    def is_broken(self) -> bool:
        return self.failure is not None

    def send(self, data: bytes) -> None:
        """Send, behind all that was sent before."""
        self.outgoing += data
        self._wake_writer(self)

    def wake(self) -> None:
        """Say that the source has something."""
        self._wake_writer(self)

    def end(self) -> None:
        """Send what there is, and no more."""
        self.is_ending = True
        self._wake_writer(self)

    def close(self) -> None:
        """Give the request up, unless both sides have ended it."""
        self._incoming.clear()
        self._drop(self)

    def hand_to(self, sink: Callable[[bytes], None]) -> None:
        """Give what comes from now on to `sink` at once. Whoever receives gets the end instead."""
        self._sink = sink
        self._news.ring()

    async def wait_news(self) -> None:
        """Wait until anything has come, or the stream has ended in some way."""
        await self._news.wait()

    async def wait_ended(self) -> None:
        """Wait until the answer has come to its end, or never will."""
        while not self.has_ended and self.failure is None:
            await self._news.wait()

    async def wait_answered(self) -> None:
        """Wait for the status and the headers. Raises ConnectionLost."""
        while self.status is None:
            if self.failure is not None:
                raise ConnectionLost(self.failure, is_refused=self._is_refused)
            await self._news.wait()

    async def wait_begun(self) -> None:
        """Wait for the same of an answer whose body may be long in coming.

        nginx 1.22 keeps the head of such an answer until it has something else to say on
        the connection, which it has if it is asked for a sign of life.
        """
        while self.status is None and self.failure is None:
            with anyio.move_on_after(NUDGE_SECONDS) as wait:
                await self._news.wait()
            if wait.cancelled_caught and self.nudge is not None:
                self.nudge()
        await self.wait_answered()

    async def receive(self) -> bytes:
        """Wait for more of the answer and take all that is there; b"" is its end.

        Raises ConnectionLost, when what had come before was taken.
        """
        while not self._incoming:
            if self.failure is not None:
                raise ConnectionLost(self.failure, is_refused=self._is_refused)
            if self.has_ended or self._sink is not None:
                return b""
            await self._news.wait()
        return self.receive_nowait()

    def receive_nowait(self) -> bytes:
        """Take what is there, which may be nothing."""
        if not self._incoming:
            return b""
        data = self._incoming[0] if len(self._incoming) == 1 else b"".join(self._incoming)
        self._incoming.clear()
        self._make_room(len(data))
        return data

    def _make_room(self, size: int) -> None:
        """Let the server send as much again, a good piece at a time: each costs it a frame."""
        self._taken += size
        if self._taken >= self._room_step and not self.has_ended and self.failure is None:
            self._came -= self._taken
            self._open_window(self.number, self._taken)
            self._taken = 0

    # What the connection asks and tells.

    def next_piece(self, most: int) -> tuple[bytes, bool]:
        """Return what is to be sent now, and whether that is the end of it."""
        outgoing = self.outgoing
        while self.source is not None and len(outgoing) < most:
            more = self.source()
            if not more:
                break
            outgoing += more
        data = bytes(outgoing[:most])
        del outgoing[:most]
        self.has_sent_all = self.is_ending and len(data) < most
        return data, self.has_sent_all

    def make_all_room(self) -> None:
        """Give back all that came, taken or not: nothing more comes on this stream."""
        if self._came:
            self._open_window(self.number, self._came)
            self._came = 0

    def take_answer(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers
        self._news.ring()

    def take_data(self, data: bytes) -> None:
        self._came += len(data)
        self.has_heard = True
        if self._sink is None:
            self._incoming.append(data)
        else:
            self._sink(data)
            self._make_room(len(data))
        self._news.ring()

    def take_end(self) -> None:
        self.has_ended = True
        if self.status is None:
            self.failure = "a request ended without an answer"
        self._news.ring()

    def fail(self, cause: str, *, is_refused: bool = False) -> None:
        """End the stream by force; if it is refused, the broker did nothing of it."""
        if not self.has_ended and self.failure is None:
            self.failure = cause
            self._is_refused = is_refused
            if self.on_broken is not None:
                self.on_broken()
        self._news.ring()
