"""One stream of a subscription: from its INIT to the end of the connection, or of our interest.

Deliveries belong to a session. When it is over they are lost, and the
subscription goes on in another one.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from threading import get_ident
from typing import Any, NoReturn

from miniqueue_py.client.delivery import Delivery, Held
from miniqueue_py.client.errors import AlreadySettled, DeliveryLost, WrongThread
from miniqueue_py.client.http2.stream import Stream
from miniqueue_py.client.threads import Owner
from miniqueue_py.errors import ConnectionLost, LeaseExpired, ProtocolError, SettlementError
from miniqueue_py.protocol.answers import Deliveries, Line, LineReader, PlainDelivery
from miniqueue_py.protocol.codes import NOT_HELD
from miniqueue_py.protocol.settlements import Settlement, Settlements

LONGEST_LINE_BYTES = 400 << 20
"""A message of 256 MiB in base64, and what stands around it."""

TURNS_A_CREDIT = 2
"""A subscriber that is never out of deliveries lets its settlements leave so often in each
credit. Less often, and the broker waits for it; more often, and each costs more to send."""

SYNC = b'"SYNC 1"\n'
"""The answer to it stands behind all that the broker delivered before."""


class Session:
    """Takes lines, and tells the broker what became of deliveries."""

    def __init__(
        self, stream: Stream, topic: str, credit: int, owner: Owner, *, has_leases: bool
    ) -> None:
        self.topic = topic
        self.has_leases = has_leases
        """Deliveries may expire before they are handed on."""
        self.has_received = False
        self.closing: str | None = None
        """Why the broker ends it, once it said so."""
        self.is_over = False
        self.needs_care = False
        """It has much to say, so that the broker may have nothing left to send; or it broke."""
        self._stream = stream
        self._owner = owner
        self._lines = LineReader(LONGEST_LINE_BYTES)
        self._settlements = Settlements()
        self._settled: list[Settlement] = []
        """What was not said yet."""
        self._turn = max(1, credit // TURNS_A_CREDIT)
        self._expired: set[int] = set()
        self._is_leaving = False
        self._has_nothing_left = False
        self._came: list[Delivery] = []
        """What was read before anybody received it."""
        self._has_heartbeat = False
        self._silences = 0
        self._problem: SettlementError | ProtocolError | None = None
        stream.on_broken = self._break
        stream.source = self._say
        stream.send(b'"INIT %d"\n' % credit)

    @property
    def farewell(self) -> str | None:
        """Why the broker ended it, in words, if it said so."""
        match self.closing:
            case None:
                return None
            case "draining":
                return "the broker is being stopped (draining)"
            case why:
                return f"the broker ended it ({why})"

    async def receive(self) -> list[Delivery]:
        """Wait for more, and return the deliveries in it.

        Raises ConnectionLost when the stream is at its end, and SettlementError
        for a settlement that the broker refused.
        """
        while True:
            self._raise_problem()
            if self.is_over or self._stream.is_over or self._is_leaving:
                self._raise_lost()
            if deliveries := self.receive_nowait():
                return deliveries
            # Nothing more may come behind what was just taken, so nothing would wake us.
            self._raise_problem()
            if not self._stream.is_over:
                # Not for data of one's own: whoever looks meanwhile takes it for all.
                await self._stream.wait_news()

    def receive_nowait(self) -> list[Delivery]:
        """Return the deliveries that are here already."""
        came, self._came = self._came, []
        data = self._stream.receive_nowait()
        try:
            return came + self._read(data) if data else came
        except ProtocolError:
            self.drop()
            raise

    def look(self) -> None:
        """Take note of what has come, which may be that a lease is over."""
        try:
            self._came = self.receive_nowait()
        except ProtocolError as error:
            self._problem = error

    async def keep_looking(self) -> None:
        """Look as soon as something comes, until nothing more can."""
        while not (self.is_over or self._stream.is_over):
            await self._stream.wait_news()
            self.look()

    def _raise_lost(self) -> NoReturn:
        if not self._is_leaving:
            with suppress(ProtocolError):
                self.receive_nowait()  # lost with it; but the broker's farewell may be among it
            self._break()
        cause = self.farewell or self._stream.failure or "the broker ended the subscription"
        raise ConnectionLost(cause)

    def _raise_problem(self) -> None:
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem

    def _read(self, data: bytes) -> list[Delivery]:
        lines = self._lines.feed(data)
        if len(lines) == 1 and isinstance(lines[0], Deliveries):
            self.has_received = True
            return [Delivery(self, facts) for facts in lines[0].plain]
        return [delivery for line in lines for delivery in self._read_line(line)]

    def _read_line(self, line: Line) -> Sequence[Delivery]:
        if isinstance(line, Deliveries):
            return [Delivery(self, facts) for facts in line.plain]
        match line:
            case {"msg": _}:
                self.has_received = True
                return [Delivery(self, _facts(line), line)]
            case {"expired": int(number)}:
                self._expired.add(number)
                self._settlements.forget(number)
                self.has_leases = True
            case {"heartbeat": int()}:
                self._has_heartbeat = True
            case {"closing": str(why)}:
                self.closing = why
            case {"synced": int()}:
                self._has_nothing_left = True
            case {"error": str(), "code": code} if code == NOT_HELD:
                pass  # it came after its lease: of that the broker tells by "expired"
            case {"error": str(told)}:
                self._problem = SettlementError(told)
                self._has_nothing_left = self._is_leaving
            case _:
                raise ProtocolError(str(line).encode())
        return ()

    # What deliveries ask.

    def settle(self, delivery: Delivery, word: str) -> None:
        # Once for each message: no call in here that is not needed.
        if get_ident() != self._owner.thread:
            raise WrongThread
        if self.has_leases:
            self.look()
        number = int(delivery.facts[1])
        if delivery.is_settled or self.is_over or (self._expired and number in self._expired):
            raise self._problem_with(delivery, word)
        delivery.is_settled = True
        settled = self._settled
        if not settled:
            self._stream.wake()
        settled.append((word, number))
        if len(settled) >= self._turn:
            self.needs_care = True

    def touch(self, delivery: Delivery) -> None:
        self.settle(delivery, "TOUCH")
        delivery.is_settled = False

    def renew(self, unseen: Iterable[Delivery]) -> None:
        """Begin the leases anew of what nobody has seen."""
        self.look()
        for delivery in (*unseen, *self._came):
            with suppress(SettlementError):  # it is over: that is found when it is handed on
                self.touch(delivery)

    def count_silence(self) -> int:
        """Return how many times in a row nothing had come since the call before."""
        has_heard = self._stream.has_heard or self._stream.is_held_back
        self._stream.has_heard = False
        # A broker of before this does not know of heartbeats: its silence says nothing.
        self._silences = self._silences + 1 if self._has_heartbeat and not has_heard else 0
        return self._silences

    def fail(self, cause: str) -> None:
        """Take the stream for one that is lost."""
        self._stream.fail(cause)

    def pause(self) -> None:
        """Ask for nothing new; what is on its way comes."""
        self._stream.send(b'"CREDIT 0"\n')

    def has_expired(self, delivery: Held) -> bool:
        return bool(self._expired) and delivery.id in self._expired

    def forget_expired(self, delivery: Delivery) -> None:
        """Take note that nobody will ask for this one again."""
        self._expired.discard(delivery.id)

    def _problem_with(self, delivery: Delivery, word: str) -> SettlementError:
        if delivery.is_settled:
            return AlreadySettled(self.topic, delivery.id)
        if self.is_over:
            return DeliveryLost(self.topic, delivery.id)
        return LeaseExpired(word)

    def _say(self) -> bytes:
        """Return what is to be said now."""
        if not self._settled:
            return b""
        settled, self._settled = self._settled, []
        self.needs_care = False
        return self._settlements.encode(settled)

    def _break(self) -> None:
        self.is_over = True
        self.needs_care = True

    # Ending.

    def give_back(self, unseen: Iterable[Delivery]) -> None:
        """Ask for nothing new, and release what nobody has seen: that is no attempt."""
        if self.is_over:
            return
        self._is_leaving = True
        self.pause()
        self._stream.send(SYNC)
        self.look()
        came, self._came = self._came, []
        self._release([*unseen, *came])
        self._stream.hand_to(self._release_lines)

    async def wait_given_back(self) -> None:
        """Wait until all that was on its way is released. The caller bounds the wait."""
        while not (self._has_nothing_left or self.is_over or self._stream.has_ended):
            await self._stream.wait_news()

    def _release_lines(self, data: bytes) -> None:
        try:
            self._release(self._read(data))
        except ProtocolError:
            self._has_nothing_left = True

    def _release(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            with suppress(SettlementError):
                self.settle(delivery, "RELEASE")

    def end(self) -> None:
        """Say what there is to say, and no more: what is in flight goes back."""
        self.is_over = True
        if not self._stream.is_broken:
            self._stream.end()

    async def wait_ended(self) -> None:
        """Wait until the broker has heard all of it. The caller bounds the wait."""
        await self._stream.wait_ended()

    def drop(self) -> None:
        """Give the stream up, with what was not said yet."""
        self.is_over = True
        self._stream.close()


def _facts(line: Mapping[str, Any]) -> PlainDelivery:
    """Return what every delivery has, as a plain one has it. Raises ProtocolError."""
    match line:
        case {
            "msg": str(msg),
            "id": int(number),
            "attempt": int(attempt),
            "messageId": str(message),
        }:
            published = line.get("publishedAt")
            at = b"%d" % published if isinstance(published, int) else b""
            return msg.encode(), b"%d" % number, b"%d" % attempt, message.encode(), at
        case _:
            raise ProtocolError(str(line).encode())
