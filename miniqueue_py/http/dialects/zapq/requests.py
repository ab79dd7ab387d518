"""ZapQ: one queue of bytes, first in first out, at most once.

It is the topic `zapq`. Counters are of what went through these requests since
the start, or since /clear. What is taken is gone, whether its consumer gets it
or not.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from miniqueue_py.broker.admission import Caps
from miniqueue_py.broker.claim import Claim, Dealt
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.errors import MessageTooLong, TopicFull
from miniqueue_py.http.access.needs import OPEN, Need, Needs
from miniqueue_py.http.access.rights import ADMIN, CONSUME, INSPECT, PUBLISH
from miniqueue_py.http.dialects.busy import Busy, Put, Take, Way
from miniqueue_py.http.dialects.dialect import OpenDialect, Tools
from miniqueue_py.http.dialects.zapq.dialect import TOPIC, Zapq
from miniqueue_py.http.exchange import Answer, Exchange
from miniqueue_py.http.json_answers import EMPTY, NO_CONTENT

if TYPE_CHECKING:
    from quart import Blueprint

LONGEST_MESSAGE_BYTES = 128 << 10

_SETTINGS = ("-zapq-max-msgs", "-zapq-max-bytes")

_GO_SAYS = {404: "404 page not found", 405: "Method Not Allowed"}

_OCTETS = (b"content-type", b"application/octet-stream")


def explain_zapq(status: int, text: str) -> Answer:
    """Say what went wrong as Go's http.Error does."""
    body = f"{_GO_SAYS.get(status, text)}\n".encode(errors="backslashreplace")
    headers = (
        (b"x-content-type-options", b"nosniff"),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    )
    return status, headers, body


@dataclass(slots=True)
class Counters:
    """What went through."""

    enqueued: int = 0
    dequeued: int = 0
    missed: int = 0


class ZapqQueue(OpenDialect):
    """The queue, as requests and pages share it."""

    explain = staticmethod(explain_zapq)
    needs: ClassVar[Needs] = {
        **dict.fromkeys(("zapq.clear", "zapq.persist", "zapq.load"), Need(ADMIN, TOPIC)),
        "zapq.metrics": Need(INSPECT, TOPIC),
        "zapq.health": OPEN,
    }

    def __init__(self, tools: Tools, options: Zapq) -> None:
        self._tools = tools
        self.broker = broker = tools.broker
        self.options = options
        self.caps = Caps(options.max_msgs, options.max_bytes, _SETTINGS)
        self.longest_bytes = min(LONGEST_MESSAGE_BYTES, broker.limits.max_message_bytes)
        self.counters = Counters()
        self.since = broker.clock.monotonic()
        self.busy = Busy(
            explain_zapq,
            {
                b"enqueue": Way("POST", PUBLISH, partial(_Enqueue, self)),
                b"dequeue": Way("GET", CONSUME, partial(_Dequeue, self)),
            },
            topic=TOPIC,
            access=tools.access,
        )

    def pages(self) -> "Blueprint":
        from miniqueue_py.http.dialects.zapq.pages import zapq_pages  # noqa: PLC0415

        return zapq_pages(self, self._tools.administration, self._tools.snapshots)


class _PayloadTooLarge(MessageTooLong):
    """The message is longer than ZapQ takes, or the broker: send less."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = (f"Payload Too Large: a message has at most {limit} bytes",)


class _Enqueue(Put):
    explain = staticmethod(explain_zapq)
    topic = TOPIC

    def __init__(self, queue: ZapqQueue, exchange: Exchange, _segment: bytes) -> None:
        super().__init__(exchange, queue.longest_bytes)
        self.broker = queue.broker
        self._queue = queue

    def on_whole(self, body: bytes) -> None:
        self.was_asked = True
        self.broker.publish_one(TOPIC, Publication((body,)), self._on_stored, self._queue.caps)

    def too_long(self, limit: int) -> MessageTooLong:
        return _PayloadTooLarge(limit)

    def _on_stored(self, answer: Stored | Exception) -> None:
        if isinstance(answer, Stored):
            self._queue.counters.enqueued += 1
            self.exchange.respond(202, (EMPTY,))
        elif isinstance(answer, TopicFull):
            self.exchange.fail(TopicFull(f"Queue Full: {answer}"))
        else:
            self.exchange.fail(answer)


class _Dequeue(Take):
    explain = staticmethod(explain_zapq)

    def __init__(self, queue: ZapqQueue, exchange: Exchange, _segment: bytes) -> None:
        self.exchange = exchange
        self._queue = queue

    def claim(self) -> Claim:
        return self._queue.broker.claims.take(TOPIC, 1, 0.0, self._on_taken)

    def _on_taken(self, taken: Dealt) -> None:
        if isinstance(taken, Exception):
            self.exchange.fail(taken)
        elif taken:
            self._queue.counters.dequeued += 1
            body = taken[0].message.body
            self.exchange.respond(200, (_OCTETS, (b"content-length", b"%d" % len(body))), body)
        else:
            self._queue.counters.missed += 1
            self.exchange.respond(*NO_CONTENT)
