"""One subscription stream: commands in, deliveries out, both for as long as both live.

It has no task. What comes is carried out, and what that brings is said, in the
same call; what is dealt to it while others act is said in the next turn of the
loop, once for all of it. So it is with what is left of much work.

While the peer does not read, past a bound it takes no delivery and carries out
no command. It goes on listening: commands that wait are counted, and past a
limit the stream is closed.

What to do is decided by `_step` and `_settle_some`. What a command does is
commands.py's.
"""

import asyncio
from collections.abc import Callable

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError, NotAConsumer
from miniqueue_py.http.exchange import INCREMENTAL, ROOM_BYTES, Exchange, Handler
from miniqueue_py.http.native.commands import delivery_lines, obey, work_of
from miniqueue_py.http.native.heartbeat import Heartbeat
from miniqueue_py.http.native.syncs import Syncs
from miniqueue_py.http.native.waiting import WaitingCommands
from miniqueue_py.http.problems import FAILED
from miniqueue_py.protocol.codes import BAD_COMMAND, line_of
from miniqueue_py.protocol.commands import BadCommand, Command, CommandReader, Sync
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

_HEADERS = ((b"content-type", b"application/json"), INCREMENTAL)


class Subscription(Handler):
    """A stream between one client and one subscriber.

    Raises ShuttingDown before anything is answered; what goes wrong later is told
    on the stream.
    """

    def __init__(  # noqa: PLR0913  all that a stream needs is handed in
        self,
        exchange: Exchange,
        broker: Broker,
        topic: str,
        *,
        lease_seconds: float | None,
        heartbeat_seconds: float | None = None,
        drain_seconds: float,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._exchange = exchange
        self._broker = broker
        self._lease_seconds = lease_seconds
        self._drain_seconds = drain_seconds
        self._on_error = on_error
        self._reader = CommandReader()
        self._commands = WaitingCommands()
        self._has_news = False
        """The subscriber has something to look at."""
        self._is_acting = self._goes_on_later = False
        self._work_done = 0
        """Since the last turn that was given to others."""
        self._queued = 0
        """The peer has not taken so much, or less: looked at when it may be too much."""
        self._has_ended = False
        """The request body is over: nothing more will be said."""
        self._has_said_why = False
        """The closing line is out; nothing follows it."""
        self._is_over = False
        self._last_line: bytes | None = None
        """What the stream ends with, once that is decided."""
        self._syncs: Syncs | None = None
        """None until the client asks for one."""
        self._timer: asyncio.TimerHandle | None = None
        self._heartbeat: Heartbeat | None = None
        """None unless the client wants it."""
        self._subscriber = broker.open_subscriber(topic, self._on_change, lease_seconds)
        # Before anything else: MiniQueue's Go clients block until the headers come.
        exchange.begin(200, _HEADERS)
        if heartbeat_seconds is not None:
            self._heartbeat = Heartbeat(broker.clock, heartbeat_seconds, self._beat)

    def on_body(self, chunk: bytes) -> None:
        self._hear(self._reader.feed(chunk))
        self._exchange.grant(len(chunk))

    def on_end(self) -> None:
        self._has_ended = True
        self._hear(self._reader.feed_end())

    def on_room(self) -> None:
        self._go_on()

    def on_gone(self) -> None:
        self._leave()

    def close(self, reason: str) -> None:
        self._end(b"" if self._has_said_why else closing_line(reason))

    def _hear(self, commands: list[Command]) -> None:
        self._commands.add(commands)
        over = self._commands.weight - MAX_WAITING_COMMANDS
        if over > 0 and over > len(self._subscriber.in_flight):
            self._end(closing_line(self._subscriber.closing or "limit"))
        else:
            self._act()

    def _on_change(self) -> None:
        self._has_news = True
        if not self._is_acting:
            self._go_on_later()
        if self._subscriber.closing and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._drain_seconds, self._cut_short)

    def _go_on_later(self) -> None:
        if not self._goes_on_later:
            self._goes_on_later = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._goes_on_later = False
        self._work_done = 0
        if not self._is_over:
            self._act()

    def _act(self) -> None:
        """Do what can be done in a turn."""
        self._is_acting = True
        try:
            if self._has_said_why:
                self._settle_some()
            elif (self._queued <= ROOM_BYTES and not self._exchange.is_crammed) or self._has_room():
                self._say_lines()
        except Exception as error:  # noqa: BLE001  the boundary: one stream ends, not the broker
            self._on_error(error)
            self._end(error_line(FAILED))
        finally:
            self._is_acting = False

    def _has_room(self) -> bool:
        """Tell if the peer has taken enough of what was queued; else `on_room` comes."""
        self._queued = self._exchange.queued
        return self._queued <= ROOM_BYTES and not self._exchange.is_crammed

    def _say_lines(self) -> None:
        """Carry out what can be, say what that brings, and end if nothing can follow."""
        lines, has_more = self._step()
        if lines:
            self._exchange.send(lines)
            self._queued += len(lines)
            if self._heartbeat is not None:
                self._heartbeat.note()
        if has_more:
            self._go_on_later()
        elif self._last_line is not None:
            self._end(self._last_line)
        elif self._subscriber.closing:
            self._has_said_why = True
            self._exchange.send(closing_line(self._subscriber.closing))
            self._settle_some()
        elif self._has_ended and not self._commands.weight and not self._awaits_sync:
            self._end()

    def _beat(self, line: bytes) -> None:
        """Show that the stream lives, unless its peer has much to read or it was told the end."""
        if not self._has_said_why and self._has_room():
            self._exchange.send(line)
            self._queued += len(line)

    def _step(self) -> tuple[bytes, bool]:
        """Carry out what can be in a turn; return the lines that brings, and if more is to do."""
        subscriber, commands = self._subscriber, self._commands
        lines: list[bytes] = [] if self._syncs is None else self._syncs.take()
        size = 0
        while self._last_line is None:
            if not self._has_news and (
                not commands.weight
                or subscriber.closing
                or (self._syncs is not None and self._syncs.is_full)
                # A stray settlement must not take a message that its consumer has not
                # seen: only the first of a stream can be settled ahead, by who says so
                # together with INIT.
                or (subscriber.awaits_first and commands.is_settlement_ahead)
            ):
                break
            if size >= ENOUGH_BYTES or self._work_done >= WORK_A_TURN:
                return b"".join(lines), True
            line = self._news() if self._has_news else self._obey(commands.pop())
            if line:
                lines.append(line)
                size += len(line)
        return b"".join(lines), False

    def _news(self) -> bytes:
        """Return what the subscriber has to tell."""
        subscriber = self._subscriber
        self._has_news = False
        # That a lease ran out is told before its message comes again.
        expired = subscriber.take_expired()
        deliveries = subscriber.take()
        lines = delivery_lines(subscriber, deliveries) if deliveries else b""
        if expired and self._knows_more:
            return b"".join(map(expired_line, expired)) + lines
        return lines

    def _obey(self, command: Command) -> bytes:
        if isinstance(command, BadCommand):
            self._work_done += 1
            line = error_line(command.error, BAD_COMMAND if self._knows_more else None)
            if not command.ends_stream:
                return line
            self._last_line = line
            return b""
        self._work_done += work_of(self._subscriber, command)
        if isinstance(command, Sync):
            self._syncs = self._syncs or Syncs(self._broker, self._go_on_later)
            self._syncs.begin(command.number)
            return b""
        errors = obey(self._subscriber, self._broker.clock, command)
        return b"".join(map(self._error_line, errors)) if errors else b""

    def _error_line(self, error: MiniqueueError) -> bytes:
        # CREDIT is no word of MiniQueue's, so who says it too early knows codes.
        if self._knows_more or isinstance(error, NotAConsumer):
            return line_of(error)
        return error_line(str(error))

    @property
    def _knows_more(self) -> bool:
        """True if the client asked for what MiniQueue has not: it knows further lines and keys."""
        return self._subscriber.has_credit or self._lease_seconds is not None

    @property
    def _awaits_sync(self) -> bool:
        return self._syncs is not None and self._syncs.is_waiting

    def _settle_some(self) -> None:
        """Let what is held be settled; nobody is told what that brings."""
        while self._subscriber.in_flight and self._last_line is None:
            if not self._commands.weight:
                if self._has_ended:
                    break
                return
            if self._work_done >= WORK_A_TURN:
                self._go_on_later()
                return
            self._obey(self._commands.pop())
        self._end()

    def _cut_short(self) -> None:
        """Let nothing more be settled: the drain takes too long."""
        self._end(b"" if self._has_said_why else closing_line(self._subscriber.closing or ""))

    def _end(self, last_line: bytes = b"") -> None:
        self._leave()
        self._exchange.end(last_line)

    def _leave(self) -> None:
        """Give back what is held, at once. Idempotent."""
        self._is_over = True
        self._commands.clear()
        if self._syncs is not None:
            self._syncs.stop()
        if self._timer is not None:
            self._timer.cancel()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        try:
            self._broker.close_subscriber(self._subscriber)
        except Exception as error:  # noqa: BLE001  as in `_act`
            self._on_error(error)
