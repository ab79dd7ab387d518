"""A client on the other side of an exchange: says what it wants, reads when it wants."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from miniqueue_py.http.door import Door
from miniqueue_py.http.exchange import ROOM_BYTES, Handler, Header, Request

WINDOW_BYTES = 1 << 18
"""Of a request's body, that may come before it is granted: as the connections have it."""


class Exchange:
    """One request to a door, in this process, and the exchange that its handler sees."""

    def __init__(  # noqa: PLR0913  what a request has, where it is not as most are
        self,
        door: Door,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        http_version: str = "2",
        client: tuple[str, int] = ("127.0.0.1", 1),
    ) -> None:
        path, _, query = target.partition("?")
        self.request = Request(
            method,
            path.encode("latin-1"),
            query.encode("latin-1"),
            [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
            http_version,
            "https",
            client,
        )
        self.pieces: list[bytes] = []
        """The body of the answer, as it was read, without what was empty."""
        self.has_ended = False
        """The whole answer was read."""
        self.was_reset = False
        self._door = door
        self._head: tuple[int, Sequence[Header]] | None = None
        self._is_reading = True
        self._unread: deque[bytes] = deque()
        self._unsaid: deque[tuple[bytes, bool]] = deque()
        self.ungranted = 0
        """Bytes of the request's body that came and were not granted yet."""
        self._answer_ended = self._is_gone = False
        self._over = asyncio.Event()
        self._handler: Handler | None = None
        self._handler = door.open(self)

    async def __aenter__(self) -> Self:
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    # What the client does

    async def say(self, body: bytes, *, is_last: bool = False) -> None:
        """Send a piece of the request body, and let the other side act."""
        self.say_nowait(body, is_last=is_last)
        await settle()

    def say_nowait(self, body: bytes, *, is_last: bool = False) -> None:
        """Send a piece of the request body, as soon as its window lets it go."""
        self._unsaid.append((body, is_last))
        self._deliver()

    async def leave(self) -> None:
        """Be gone, without a word."""
        self.leave_nowait()
        await settle()

    def leave_nowait(self) -> None:
        if not self.is_over:
            self._is_gone = True
            self._door.close()
            self._tell(Handler.on_gone)
            self._over.set()

    def stop_reading(self) -> None:
        """Take nothing more of the answer."""
        self._is_reading = False

    def read_on(self) -> None:
        """Take what is queued of the answer, and all that follows."""
        self._is_reading = True
        was_full = self.queued > ROOM_BYTES
        self.pieces += self._unread
        self._unread.clear()
        self._settle_end()
        if was_full and not self.is_over:
            self._tell(Handler.on_room)

    @property
    def unheard(self) -> int:
        """How many of the pieces that were said wait for the window to open."""
        return len(self._unsaid)

    @property
    def status(self) -> int:
        assert self._head is not None, "it was not answered"
        return self._head[0]

    @property
    def headers(self) -> dict[str, str]:
        assert self._head is not None, "it was not answered"
        return {name.decode(): value.decode() for name, value in self._head[1]}

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def values(self) -> list[Any]:
        """Return the lines of the body, as JSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    async def answer(self) -> Self:
        """Wait for the whole answer."""
        async with asyncio.timeout(10):
            await self._over.wait()
        return self

    # What the handler sees

    @property
    def is_begun(self) -> bool:
        return self._head is not None

    @property
    def is_over(self) -> bool:
        return self._answer_ended or self._is_gone

    @property
    def queued(self) -> int:
        return sum(map(len, self._unread))

    @property
    def is_crammed(self) -> bool:
        return False

    def respond(self, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
        self.begin(status, headers)
        self.end(body)

    def begin(self, status: int, headers: Sequence[Header]) -> None:
        if not self.is_over:
            assert self._head is None, "it was answered already"
            self._head = status, headers

    def send(self, data: bytes) -> None:
        assert self._head is not None, "a body needs a head before it"
        if self.is_over or not data or self.request.method == "HEAD":
            return
        if self._is_reading:
            self.pieces.append(data)
        else:
            self._unread.append(data)

    def end(self, data: bytes = b"") -> None:
        self.send(data)
        self._end()
        self._settle_end()

    def fail(self, error: Exception) -> None:
        self._door.fail(self, self._handler or Handler(), error)

    def reset(self) -> None:
        self.was_reset = True
        self._end()
        self._over.set()

    def grant(self, size: int) -> None:
        self.ungranted -= size
        assert self.ungranted >= 0, "more was granted than came"
        self._deliver()

    keep = grant

    def when_room(self, start: Callable[[], None]) -> None:
        start()

    # How it is done

    def _deliver(self) -> None:
        while self._unsaid and self._handler is not None and not self.is_over:
            if self.ungranted >= WINDOW_BYTES:
                return
            body, is_last = self._unsaid.popleft()
            if body:
                self.ungranted += len(body)
                self._tell(Handler.on_body, body)
            if is_last and not self.is_over:
                self._tell(Handler.on_end)

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        handler = self._handler
        assert handler is not None
        try:
            getattr(handler, what.__name__)(*arguments)
        except Exception as error:  # noqa: BLE001  as the connections do
            self._door.fail(self, handler, error)

    def _settle_end(self) -> None:
        if self._answer_ended and not self._unread and not self.has_ended:
            self.has_ended = True
            self._over.set()

    def _end(self) -> None:
        if not self.is_over:
            self._answer_ended = True
            self._door.close()


async def settle() -> None:
    """Let everything that can happen now happen."""
    for _ in range(20):
        await asyncio.sleep(0)


async def request(
    door: Door, method: str, target: str, body: bytes = b"", **others: Any
) -> Exchange:
    """Make a whole request and return its whole answer."""
    exchange = Exchange(door, method, target, **others)
    await exchange.say(body, is_last=True)
    return await exchange.answer()
