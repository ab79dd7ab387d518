"""What a subscriber holds: a message, and the right to say what becomes of it."""

import binascii
import json
import math
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from miniqueue_py.errors import BadParameter, ProtocolError
from miniqueue_py.protocol.answers import PlainDelivery
from miniqueue_py.protocol.commands import LONGEST_DELAY_SECONDS


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dead letter came from."""

    topic: str
    reason: str
    """`maxDeliveries`, or `DEAD`: a subscriber said so."""
    attempts: int
    at: datetime
    first: "Origin | None" = None
    """Where it died first, if it has died again since."""

    @classmethod
    def of(cls, facts: Mapping[str, Any] | None) -> Self | None:
        """Read it from the JSON of a message."""
        if facts is None:
            return None
        return cls(
            facts["topic"],
            facts["reason"],
            facts["attempts"],
            _instant(facts["at"]),
            cls.of(facts.get("first")),
        )


class Message:
    """A message that was looked at, and is held by nobody."""

    def __init__(self, topic: str, facts: Mapping[str, Any]) -> None:
        self.topic = topic
        self.body = _decoded(facts["msg"].encode())
        self.message_id: str = facts["messageId"]
        self.attempt: int = facts.get("attempt", 1)
        """How many there were, and the one that would be next."""
        self.dack_count: int = facts.get("dackCount", 0)
        self.priority: int = facts.get("priority", 0)
        published_ms = facts.get("publishedAt")
        self.published_at: datetime | None = published_ms and _instant(published_ms)
        due_ms = facts.get("dueAt")
        self.due_at: datetime | None = due_ms and _instant(due_ms)
        """Until when it is set aside."""
        self.origin = Origin.of(facts.get("dead"))

    def __repr__(self) -> str:
        return f"<Message {self.message_id} of {self.topic!r}, {len(self.body)} bytes>"

    @property
    def text(self) -> str:
        """The body as UTF-8. Raises UnicodeDecodeError."""
        return self.body.decode()


class Holder(Protocol):
    """The stream that a delivery came on."""

    topic: str

    @property
    def is_over(self) -> bool: ...

    def settle(self, delivery: "Delivery", word: str) -> None: ...

    def touch(self, delivery: "Delivery") -> None: ...

    def has_expired(self, delivery: "Held") -> bool: ...


class Held:
    """A message that was handed out, and what is known of it: `Delivery` without its verbs."""

    __slots__ = ("_body", "_holder", "_more", "facts", "is_settled")

    def __init__(
        self, holder: Holder, facts: PlainDelivery, more: Mapping[str, Any] | None = None
    ) -> None:
        # Made by the hundred thousand a second: what is asked for rarely is read when it is.
        self._holder = holder
        self.facts = facts
        self._more = more
        self._body: bytes | None = None
        self.is_settled = False

    def __repr__(self) -> str:
        state = "settled" if self.is_settled else "lost" if self.is_lost else "in flight"
        kind = type(self).__name__
        return f"<{kind} {self.id} of {self.topic!r}, message {self.message_id}, {state}>"

    @property
    def parts(self) -> tuple[Holder, PlainDelivery, Mapping[str, Any] | None]:
        """What it is made of, to make another of it."""
        return self._holder, self.facts, self._more

    @property
    def topic(self) -> str:
        return self._holder.topic

    @property
    def body(self) -> bytes:
        if self._body is None:
            try:  # as `_decoded` does, and once for each message: no call that is not needed
                self._body = a2b_base64(self.facts[0])
            except binascii.Error as error:
                raise ProtocolError(self.facts[0]) from error
        return self._body

    @property
    def text(self) -> str:
        """The body as UTF-8. Raises UnicodeDecodeError."""
        return self.body.decode()

    @property
    def id(self) -> int:
        """The number of the delivery on its stream, from 1."""
        return int(self.facts[1])

    @property
    def attempt(self) -> int:
        """How often the message was handed out, this one included."""
        return int(self.facts[2])

    @property
    def message_id(self) -> str:
        """Of the message, wherever it goes."""
        return self.facts[3].decode()

    @property
    def published_at(self) -> datetime | None:
        """None for a message that an older version stored."""
        return _instant(int(self.facts[4])) if self.facts[4] else None

    @property
    def dack_count(self) -> int:
        """How often a DACK set the message aside."""
        return self._more.get("dackCount", 0) if self._more else 0

    @property
    def priority(self) -> int:
        return self._more.get("priority", 0) if self._more else 0

    @property
    def origin(self) -> Origin | None:
        """Where the message came from, if it is a dead letter."""
        return Origin.of(self._more.get("dead")) if self._more else None

    @property
    def is_lost(self) -> bool:
        """Tell if the stream is gone that it came on; the message comes again then."""
        return self._holder.is_over

    @property
    def is_expired(self) -> bool:
        """Tell if the broker said that the lease ran out; the message is ready again then."""
        return self._holder.has_expired(self)

    @property
    def line(self) -> bytes:
        """The delivery as JSON, one line: as it came, and as a batch of publishes takes it."""
        if self._more is None:
            return (
                b'{"msg":"%b","id":%b,"attempt":%b,"messageId":"%b","publishedAt":%b}\n'
                % self.facts
            )
        return json.dumps(self._more, separators=(",", ":")).encode() + b"\n"


class Delivery(Held):
    """One handing-out of a message.

    The verbs return when the broker is about to be told: many settlements leave
    together. They raise AlreadySettled, LeaseExpired, and DeliveryLost if the
    stream is gone that the delivery came on. One that was not settled goes back
    to its topic when the subscription ends.
    """

    __slots__ = ()

    async def ack(self) -> None:
        """Say that the message is done: it is removed."""
        self._holder.settle(self, "ACK")

    async def nack(self) -> None:
        """Give it back, to the front of the topic, or to wait for the policy's backoff."""
        self._holder.settle(self, "NACK")

    async def back(self) -> None:
        """Give it back, behind all that wait."""
        self._holder.settle(self, "BACK")

    async def dack(self, seconds: float) -> None:
        """Set it aside for so many seconds, rounded up to whole ones."""
        self._holder.settle(self, f"DACK {_whole(seconds)}")

    async def dead(self) -> None:
        """Send it to the topic of dead letters."""
        self._holder.settle(self, "DEAD")

    async def release(self) -> None:
        """Give it back to the front, as if it had not been handed out: no attempt is counted."""
        self._holder.settle(self, "RELEASE")

    async def touch(self) -> None:
        """Begin the lease anew, as long as it was."""
        self._holder.touch(self)


def _decoded(msg: bytes) -> bytes:
    """Return a body. Raises ProtocolError."""
    try:
        return a2b_base64(msg)
    except binascii.Error as error:
        raise ProtocolError(msg) from error


def _instant(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _whole(seconds: float) -> int:
    if not 0 <= seconds <= LONGEST_DELAY_SECONDS:
        raise BadParameter("seconds", f"{seconds} is not from 0 to {LONGEST_DELAY_SECONDS}")
    return math.ceil(seconds)
