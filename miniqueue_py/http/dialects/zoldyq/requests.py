"""ZoldyQ over HTTP: named queues of JSON, bounded, each payload taken once.

What is taken is gone, whether its consumer gets it or not. Its WebSockets are
in sockets.py.
"""

import re
from functools import partial

from miniqueue_py.broker.claim import Claim, Dealt
from miniqueue_py.broker.message import Stored
from miniqueue_py.errors import CapReached, TopicNotFound
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.rights import CONSUME, PUBLISH
from miniqueue_py.http.dialects.busy import Busy, Put, Take, Way
from miniqueue_py.http.dialects.zoldyq.queues import ZoldyqQueues, payload_of
from miniqueue_py.http.exchange import Answer, Exchange
from miniqueue_py.http.json_answers import NO_CONTENT, json_answer
from miniqueue_py.http.json_text import encode, encode_text
from miniqueue_py.http.query import Query

LONGEST_TIMEOUT_SECONDS = 60.0
"""Proxies cut a request that is silent for longer."""

_TIMEOUT = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")


def explain_zoldyq(status: int, text: str) -> Answer:
    """Say what went wrong as ZoldyQ does."""
    return json_answer(encode({"error": text}), status)


def busy_zoldyq(queues: ZoldyqQueues, access: Access | None) -> Busy:
    """Return what is asked of ZoldyQ's queues all the time."""
    return Busy(
        explain_zoldyq,
        {
            b"enqueue": Way("POST", PUBLISH, partial(_Enqueue, queues)),
            b"dequeue": Way("GET", CONSUME, partial(_Dequeue, queues)),
        },
        folder=b"queues/",
        access=access,
    )


class _Enqueue(Put):
    explain = staticmethod(explain_zoldyq)

    def __init__(self, queues: ZoldyqQueues, exchange: Exchange, segment: bytes) -> None:
        super().__init__(exchange, queues.longest_bytes)
        self.broker = queues.broker
        self._segment = segment
        self._queues = queues
        self._size = 0

    def begin(self) -> None:
        self.topic = self._queues.topic_name(self._segment)
        self.check_declared()

    def on_whole(self, body: bytes) -> None:
        self._size = self._queues.put(self.topic, body, self._on_stored)
        self.was_asked = True

    def _on_stored(self, answer: Stored | Exception) -> None:
        if isinstance(answer, Exception):
            if isinstance(answer, CapReached):
                self._queues.counters.full += 1
            self.exchange.fail(answer)
            return
        name = encode_text(self.topic)
        told = b'{"queued":true,"queue_name":%b,"queue_size":%d}' % (name, self._size)
        self.exchange.respond(*json_answer(told))


class _Dequeue(Take):
    explain = staticmethod(explain_zoldyq)

    def __init__(self, queues: ZoldyqQueues, exchange: Exchange, segment: bytes) -> None:
        self.exchange = exchange
        self._segment = segment
        self._queues = queues

    def begin(self) -> None:
        self._topic = self._queues.topic_name(self._segment)
        query = self.exchange.request.query
        if query:
            self.wait_seconds = Query(query).read("timeout", _seconds, 0.0)
        if not self._queues.administration.knows(self._topic):
            raise TopicNotFound(self._topic)
        self.take()

    def claim(self) -> Claim:
        return self._queues.broker.claims.take(self._topic, 1, self.wait_seconds, self._on_taken)

    def _on_taken(self, taken: Dealt) -> None:
        if isinstance(taken, Exception):
            self.exchange.fail(taken)
        elif taken:
            told = b'{"payload":%b,"queue_name":%b,"queue_size":%d}' % (
                payload_of(taken[0].message.body),
                encode_text(self._topic),
                self._queues.size(self._topic),
            )
            self.exchange.respond(*json_answer(told))
        else:
            self._queues.counters.timeouts += 1
            self.exchange.respond(*NO_CONTENT)


def _seconds(text: str) -> float:
    """Return the seconds of a timeout. Raises ValueError."""
    seconds = float(text) if _TIMEOUT.fullmatch(text) else -1.0
    if not 0 <= seconds <= LONGEST_TIMEOUT_SECONDS:
        raise ValueError(f"is not a number of seconds from 0 to {LONGEST_TIMEOUT_SECONDS:g}")
    return seconds
