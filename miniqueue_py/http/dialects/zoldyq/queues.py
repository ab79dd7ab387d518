"""ZoldyQ's queues: what its pages and its WebSockets do with them.

A queue is a topic, and a payload its message: its JSON, by the letter. What
another system put there is a payload too.
"""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Caps
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.gathering import Answer, OnDone
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.errors import BadParameter, CapReached, MiniqueueError, TopicFull
from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq
from miniqueue_py.http.json_text import (
    encode_text,
    is_json,
    longest_request_bytes,
    read_members,
)
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.refusing import refusing

_KNOWN_NAMES = 1000


class TooManyQueues(TopicFull):
    """There are as many queues as there may be: use one of them."""

    def __init__(self, most: int) -> None:
        super().__init__(f"there are {most} queues already, which is -zoldyq-max-queues")


@dataclass(slots=True)
class Counters:
    """What happened since the start."""

    full: int = 0
    """Enqueues that found a queue full."""
    timeouts: int = 0
    """Dequeues that waited for nothing."""


class Enqueued(NamedTuple):
    """A payload that is being stored."""

    stored: "asyncio.Future[Sequence[Stored]]"
    size: int
    """Of the queue, with it and what was put there before it."""


class ZoldyqQueues:
    """Puts payloads into queues, and tells what is in them."""

    def __init__(self, broker: Broker, administration: Administration, options: Zoldyq) -> None:
        self.broker = broker
        self.administration = administration
        self.options = options
        self.counters = Counters()
        self.began = broker.clock.monotonic()
        self.longest_bytes = longest_request_bytes(broker.limits.max_message_bytes)
        """Of a request."""
        self.topic_name = lru_cache(_KNOWN_NAMES)(topic_name)
        self._caps = Caps(options.capacity, settings=("-zoldyq-capacity", ""))

    def put(self, topic: str, request: bytes, on_done: OnDone) -> int:
        """Store the payload of a request with what else comes in this turn.

        Returns how many there are with it. What the broker says `on_done` is told,
        in a turn to come; it was not asked if this raises BadParameter or TopicFull.
        """
        publication = Publication((_payload_in(request),))
        if self.administration.knows(topic):
            self.broker.publish_one(topic, publication, on_done, self._caps)
            return self.broker.count_messages(topic)
        self._check_room()
        try:
            # At once: a queue is there for those who count them in this turn.
            stored = self.broker.publish(topic, (publication,), caps=self._caps)
        except MiniqueueError as error:
            asyncio.get_running_loop().call_soon(on_done, error)
        else:
            stored.add_done_callback(lambda done: on_done(_first_of(done)))
        return self.administration.statistics(topic).messages

    def enqueue(self, topic: str, request: bytes) -> Enqueued:
        """Begin to store the payload of a request: two are stored in the order of the calls.

        Raises BadParameter, TopicFull and what `Broker.publish` raises.
        """
        with refusing(self.broker, topic):
            publication = Publication((_payload_in(request),))
            if not self.administration.knows(topic):
                self._check_room()
        try:
            stored = self.broker.publish(topic, (publication,), caps=self._caps)
        except CapReached:
            self.counters.full += 1
            raise
        return Enqueued(stored, self.administration.statistics(topic).messages)

    def size(self, topic: str) -> int:
        """Count what waits, or is held by consumers that may give it back."""
        return self.administration.statistics(topic).held

    def _check_room(self) -> None:
        """Raise TooManyQueues if there may be no other one."""
        if self.administration.topic_count >= self.options.max_queues:
            raise TooManyQueues(self.options.max_queues)


def payload_of(body: bytes) -> bytes:
    """Return a message as the JSON of a payload: text that is none is a string, the rest base64."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return encode_text(base64.b64encode(body).decode())
    return body if is_json(text) else encode_text(text)


def _first_of(done: "asyncio.Future[Sequence[Stored]]") -> Answer:
    error = done.exception()
    if error is None:
        return done.result()[0]
    assert isinstance(error, Exception)  # noqa: S101  nothing else is raised there
    return error


def _payload_in(request: bytes) -> bytes:
    """Return the payload of a request by the letter, as it is stored. Raises BadParameter."""
    members = read_members(request)
    if not members or "payload" not in members:
        raise BadParameter("the body", 'is no object with a payload, such as {"payload": 1}')
    return members["payload"].encode()
