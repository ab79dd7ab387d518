"""ZoldyQ's queues: what its pages and its WebSockets do with them.

A queue is a topic, and a payload its message: its JSON, by the letter. What
another system put there is a payload too.
"""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Caps
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.errors import BadParameter, CapReached, TopicFull
from miniqueue_py.http.dialects.options import ZoldyqOptions
from miniqueue_py.http.json_text import encode, is_json, read_members
from miniqueue_py.http.refusing import refusing


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

    def __init__(
        self, broker: Broker, administration: Administration, options: ZoldyqOptions
    ) -> None:
        self.broker = broker
        self.administration = administration
        self.options = options
        self.counters = Counters()
        self.began = broker.clock.now()
        self._caps = Caps(options.capacity, settings=("-zoldyq-capacity", ""))

    def enqueue(self, topic: str, request: bytes) -> Enqueued:
        """Begin to store the payload of a request: two are stored in the order of the calls.

        Raises BadParameter, TopicFull and what `Broker.publish` raises.
        """
        try:
            with refusing(self.broker, topic):
                payload = _payload_in(request)
                self._check_room_for(topic)
            stored = self.broker.publish(topic, [Publication([payload])], caps=self._caps)
        except CapReached:
            self.counters.full += 1
            raise
        return Enqueued(stored, self.administration.statistics(topic).messages)

    def size(self, topic: str) -> int:
        """Count what waits, or is held by consumers that may give it back."""
        return self.administration.statistics(topic).held

    def _check_room_for(self, topic: str) -> None:
        if self.administration.knows(topic):
            return
        if self.administration.topic_count >= self.options.max_queues:
            raise TooManyQueues(self.options.max_queues)


def payload_of(body: bytes) -> bytes:
    """Return a message as the JSON of a payload: text that is none is a string, the rest base64."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return encode(base64.b64encode(body).decode())
    return body if is_json(text) else encode(text)


def _payload_in(request: bytes) -> bytes:
    """Return the payload of a request by the letter, as it is stored. Raises BadParameter."""
    members = read_members(request)
    if not members or "payload" not in members:
        raise BadParameter("the body", 'is no object with a payload, such as {"payload": 1}')
    return members["payload"].encode()
