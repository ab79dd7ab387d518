"""One subscription stream: commands in, deliveries out, both for as long as both live.

Two tasks share a stream. The *reader* is always in `receive()`: a server may
stop a whole connection for one stream whose application does not read, so
what cannot be handled yet is counted, and past a limit the stream is closed,
never paused. The other one carries out the commands in their order and sends
what they bring; while the peer does not read it waits in `send`, while
its subscriber is dealt no more than a bounded number of messages.

What to do is decided by `_step`, which is sync; the rest only moves bytes. What
a command does is commands.py's.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.http.asgi import Receive, Send
from miniqueue_py.http.commands import delivery_lines, obey, work_of
from miniqueue_py.http.problems import FAILED
from miniqueue_py.http.waiting import WaitingCommands
from miniqueue_py.protocol.commands import Command, CommandReader, Refused, Settle
from miniqueue_py.protocol.lines import closing_line, error_line, expired_line

MAX_WAITING_COMMANDS = 1000
"""Commands that came and could not be carried out yet, beyond one for each delivery in
flight; one that names deliveries counts as often as it names them. A client that waits
for what it asked for has one."""

WORK_A_TURN = 1000
"""After so many commands, or deliveries that these look at, other streams have their turn
of the loop."""

ENOUGH_BYTES = 1 << 16
"""Lines are sent together up to here."""

FAREWELL_SECONDS = 0.5
"""How long a peer that does not read may hold up the end of its own stream."""

LAST_LINE_SECONDS = 0.05
"""Between a last line and the end, for a peer that still talks: a server may reset the
stream right behind its end, and some clients (curl 7.88) then drop what came with it."""


class Subscription:
    """A stream between one client and one subscriber."""

    def __init__(  # noqa: PLR0913  all that a stream needs is handed in
        self,
        broker: Broker,
        topic: str,
        receive: Receive,
        send: Send,
        *,
        lease_seconds: float | None,
        drain_seconds: float,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._broker = broker
        self._topic = topic
        self._lease_seconds = lease_seconds
        self._receive = receive
        self._send = send
        self._drain_seconds = drain_seconds
        self._on_error = on_error
        self._bell = asyncio.Event()
        self._commands = WaitingCommands()
        self._has_ended = False
        """The request body is over: nothing more will be said."""
        self._is_gone = False
        """The client is not there any more: nobody reads either."""
        self._last_line: bytes | None = None
        """What the stream ends with, once that is decided."""
        self._is_sending = False
        self._patience = asyncio.timeout(None)
        """How long the stream may live: for ever, until somebody says otherwise."""
        self._subscriber: Subscriber

    async def run(self) -> None:
        """Serve the stream until either side ends it.

        Raises ShuttingDown before anything is answered; what goes wrong later
        is told on the stream.
        """
        reader = asyncio.create_task(self._read())
        try:
            subscribing = self._broker.subscribe(self._topic, self._on_change, self._lease_seconds)
            with subscribing as self._subscriber:
                await self._converse()
            if not self._is_gone:
                await self._end(self._last_line or b"")
        finally:
            reader.cancel()

    async def _converse(self) -> None:
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._begin()
                await self._serve()
                if self._subscriber.closing and not self._is_gone:
                    await self._wind_up()
        except TimeoutError:
            pass  # what is held goes back to the front
        except Exception as error:  # noqa: BLE001  the boundary: one stream ends, not the broker
            self._last_line = error_line(FAILED)
            self._on_error(error)

    async def _begin(self) -> None:
        # Before anything else: MiniQueue's Go clients block until the headers
        # come, and some servers hold them until the first piece of body.
        headers = [(b"content-type", b"application/json")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def _read(self) -> None:
        commands = CommandReader()
        try:
            while not self._is_gone:
                event = await self._receive()
                if event["type"] == "http.disconnect":
                    self._is_gone = True
                elif not self._has_ended and self._last_line is None:
                    self._commands.add(commands.feed(event.get("body", b"")))
                    if not event.get("more_body", False):
                        self._commands.add(commands.feed_end())
                        self._has_ended = True
                    if self._commands.weight > MAX_WAITING_COMMANDS + self._held:
                        self._commands.clear()
                        self._last_line = closing_line("limit")
                        if self._is_sending:  # and may be for ever: the peer does not read
                            with suppress(RuntimeError):  # it has just expired
                                self._patience.reschedule(0)
                self._bell.set()
        finally:
            self._is_gone = True
            self._bell.set()

    @property
    def _held(self) -> int:
        return len(self._subscriber.in_flight)

    def _on_change(self) -> None:
        self._bell.set()
        if self._subscriber.closing:
            now = asyncio.get_running_loop().time()
            with suppress(RuntimeError):  # it has just expired
                self._patience.reschedule(now + self._drain_seconds)

    async def _serve(self) -> None:
        while True:
            self._bell.clear()
            lines, has_more = self._step()
            if lines:
                await self._send_lines(lines)
            if has_more:
                await asyncio.sleep(0)  # also after a send, which need not wait
            elif not lines:
                if self._is_over():
                    return
                await self._bell.wait()

    def _is_over(self) -> bool:
        if self._is_gone or self._subscriber.closing or self._last_line is not None:
            return True
        return self._has_ended and not self._commands

    def _step(self) -> tuple[bytes, bool]:
        """Carry out what can be in a turn; return the lines that brings, and if more is to do."""
        subscriber = self._subscriber
        lines: list[bytes] = []
        size = work = 0
        while not self._is_gone and self._last_line is None:
            if size >= ENOUGH_BYTES or work >= WORK_A_TURN:
                return b"".join(lines), True
            # That a lease ran out is told before its message comes again.
            if expired := subscriber.take_expired():
                lines.append(self._expired_lines(expired))
            elif deliveries := subscriber.take():
                lines.append(delivery_lines(subscriber, deliveries))
            elif not self._commands or subscriber.closing or self._must_wait():
                break
            else:
                command = self._commands.pop()
                work += work_of(subscriber, command)
                lines.append(self._obey(command))
            size += len(lines[-1])
        return b"".join(lines), False

    def _expired_lines(self, expired: Sequence[int]) -> bytes:
        """Tell of leases that ran out, unless nobody asked for any: MiniQueue has no such line."""
        if not self._subscriber.has_credit and self._lease_seconds is None:
            return b""
        return b"".join(map(expired_line, expired))

    def _must_wait(self) -> bool:
        """Tell if the next command is a settlement that was sent ahead of its message.

        Only the first message of a stream can be settled ahead, by who says so
        together with INIT. A stray settlement must not take a message that
        its consumer has not seen.
        """
        command, is_ahead, _ = self._commands.first
        return is_ahead and self._subscriber.awaits_first and isinstance(command, Settle)

    def _obey(self, command: Command) -> bytes:
        if not isinstance(command, Refused):
            return obey(self._subscriber, self._broker.clock, command)
        if not command.ends_stream:
            return error_line(command.error)
        self._last_line = error_line(command.error)
        return b""

    async def _wind_up(self) -> None:
        """Say why the stream ends; let what is held be settled for a while."""
        await self._send_lines(closing_line(self._subscriber.closing or ""))
        while self._subscriber.in_flight and not self._is_gone and not self._last_line:
            if self._commands:
                self._settle_some()
                await asyncio.sleep(0)
            elif self._has_ended:
                break
            else:
                self._bell.clear()
                await self._bell.wait()
        self._last_line = None  # the closing line was it

    def _settle_some(self) -> None:
        """Carry out as many commands as a turn may; nobody is told what they bring."""
        work = 0
        while self._commands and work < WORK_A_TURN:
            command = self._commands.pop()
            work += work_of(self._subscriber, command)
            self._obey(command)

    async def _send_lines(self, lines: bytes) -> None:
        self._is_sending = True
        await self._send({"type": "http.response.body", "body": lines, "more_body": True})
        self._is_sending = False

    async def _end(self, last_line: bytes) -> None:
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                if last_line and not self._has_ended:
                    await self._send_lines(last_line)
                    await asyncio.sleep(LAST_LINE_SECONDS)
                    last_line = b""
                await self._send(
                    {"type": "http.response.body", "body": last_line, "more_body": False}
                )
        except TimeoutError:
            return  # the server resets a stream that its application left unfinished
