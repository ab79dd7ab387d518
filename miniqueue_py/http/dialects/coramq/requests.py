"""CoraMQ: queues of items with a priority, taken until a timeout.

A queue is a topic. An item's id is its producer's, so it lies in the message,
and there may be several of one id. What is in flight is known by that id
alone: who acknowledges it means the one that was taken first.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, ClassVar

from miniqueue_py.broker.claim import Claim
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.broker.receipts import ReceivedDelivery
from miniqueue_py.errors import TopicNotFound
from miniqueue_py.http.access.needs import KNOWN, Needs
from miniqueue_py.http.access.rights import CONSUME, PUBLISH
from miniqueue_py.http.dialects.busy import Busy, Put, Take, VerbWithBody, Way
from miniqueue_py.http.dialects.coramq.items import (
    InFlight,
    item_of,
    read_item,
    read_object,
    text_in,
)
from miniqueue_py.http.dialects.dialect import OpenDialect, Tools
from miniqueue_py.http.exchange import Answer, Exchange
from miniqueue_py.http.json_answers import json_answer
from miniqueue_py.http.json_text import encode, encode_text, longest_request_bytes
from miniqueue_py.http.names import topic_name

if TYPE_CHECKING:
    from quart import Blueprint

VISIBILITY_SECONDS = 10.0
"""How long an item may be held, if its topic's policy does not say."""

_KNOWN_NAMES = 1000


def explain_coramq(status: int, text: str, **what: str) -> Answer:
    """Say what went wrong as CoraMQ does."""
    return json_answer(encode({"status": "error", "message": text, **what}), status)


class CoramqQueues(OpenDialect):
    """All queues, as requests share them."""

    explain = staticmethod(explain_coramq)
    needs: ClassVar[Needs] = {"coramq.create": KNOWN}

    def __init__(self, tools: Tools) -> None:
        self.broker = broker = tools.broker
        self.administration = tools.administration
        self.in_flight = InFlight()
        broker.receipts.on_deleted.append(self.in_flight.forget)
        self.longest_bytes = longest_request_bytes(broker.limits.max_message_bytes)
        """Of a request."""
        self.topic_name = lru_cache(_KNOWN_NAMES)(topic_name)
        self.busy = Busy(
            explain_coramq,
            {
                b"enqueue": Way("POST", PUBLISH, partial(_Enqueue, self)),
                b"dequeue": Way("POST", CONSUME, partial(_Dequeue, self)),
                b"acknowledge": Way("POST", CONSUME, partial(_Acknowledge, self)),
            },
            folder=b"queues/",
            access=tools.access,
        )

    def pages(self) -> "Blueprint":
        from miniqueue_py.http.dialects.coramq.pages import coramq_pages  # noqa: PLC0415

        return coramq_pages(self)


class _Verb(VerbWithBody):
    explain = staticmethod(explain_coramq)

    def __init__(self, queues: CoramqQueues, exchange: Exchange, segment: bytes) -> None:
        super().__init__(exchange, queues.longest_bytes)
        self.topic = ""
        self.queues = queues
        self.broker = queues.broker
        self._segment = segment

    def begin(self) -> None:
        self.topic = self.queues.topic_name(self._segment)
        self.check_declared()

    def succeed(self, text: bytes, name: bytes, value: bytes) -> None:
        """Say so, and of what."""
        parts = b'{"status":"success","message":"%b","%b":%b}' % (text, name, value)
        self.exchange.respond(*json_answer(parts))

    def say_not_found(self, text: str, **what: str) -> None:
        """Say what is not there."""
        self.exchange.respond(*explain_coramq(404, text, **what))


class _Enqueue(Put, _Verb):
    def on_whole(self, body: bytes) -> None:
        self._item = read_item(read_object(body))
        if not self.queues.administration.knows(self.topic):
            self.broker.reports.refused(self.topic, TopicNotFound(self.topic))
            self.say_not_found("Queue not found", queueName=self.topic)
            return
        self._encoded = self._item.encode()
        self.was_asked = True
        publication = Publication((self._encoded,), self._item.priority)
        self.broker.publish_one(self.topic, publication, self._on_stored)

    def _on_stored(self, answer: Stored | Exception) -> None:
        if isinstance(answer, Exception):
            self.exchange.fail(answer)
            return
        shown = b'%b,"priority":%d}' % (self._encoded[:-1], self._item.priority)
        self.succeed(b"Item enqueued successfully", b"item", shown)


class _Dequeue(_Verb, Take):
    def on_whole(self, body: bytes) -> None:
        if body:
            read_object(body)
        if self.queues.administration.knows(self.topic):
            self.take()
        else:
            self.say_not_found("Queue not found", queueName=self.topic)

    def claim(self) -> Claim:
        # Read first: what is told is never later than what the broker goes by.
        clock = self.broker.clock
        self._now, self._began = clock.now(), clock.monotonic()
        self._seconds = self.queues.administration.policy(self.topic).lease or VISIBILITY_SECONDS
        client = self.exchange.request.client[0]
        return self.broker.claims.receive(
            self.topic, 1, 0.0, self._on_received, self._seconds, client
        )

    def _on_received(self, received: Sequence[ReceivedDelivery] | Exception) -> None:
        if isinstance(received, Exception):
            self.exchange.fail(received)
            return
        if not received:
            self.say_not_found("Queue is empty", queueName=self.topic)
            return
        [(receipt, delivery)] = received
        item = item_of(delivery.message)
        self.queues.in_flight.add((self.topic, item.id), receipt, self._seconds, self._began)
        shown = b'%b,"priority":%d,"visibilityTimeout":"%b"}' % (
            item.encode()[:-1],
            item.priority,
            _instant(self._now + self._seconds).encode(),
        )
        self.succeed(b"Item dequeued successfully", b"item", shown)


class _Acknowledge(_Verb):
    def on_whole(self, body: bytes) -> None:
        item_id = text_in(read_object(body), "itemId")
        if not self.queues.administration.knows(self.topic):
            self.say_not_found("Queue not found", queueName=self.topic)
            return
        for receipt in self.queues.in_flight.take(
            (self.topic, item_id), self.broker.clock.monotonic()
        ):
            if self.broker.receipts.acknowledge(self.topic, receipt):
                self.succeed(b"Item acknowledged successfully", b"itemId", encode_text(item_id))
                return
        self.say_not_found("Item not found in the in-flight queue", itemId=item_id)


def _instant(seconds: float) -> str:
    """Return an instant in UTC, as RFC 3339 writes it and to the millisecond below."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000") + "Z"
