"""Consuming without a stream: /receive hands out receipts, /settle takes them back.

Once messages have receipts, the lease is what brings them back: nobody can
tell whether an answer that was sent has arrived.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.claim import Claim
from miniqueue_py.broker.receipts import ReceivedDelivery
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import BadParameter, MessageTooLong
from miniqueue_py.http.claiming import Claiming
from miniqueue_py.http.exchange import Exchange, WholeBody
from miniqueue_py.http.json_answers import NO_CONTENT, json_answer
from miniqueue_py.http.json_text import encode, parse
from miniqueue_py.http.messages import as_object
from miniqueue_py.http.native.terms import LONGEST_LEASE_SECONDS, SHORTEST_LEASE_SECONDS
from miniqueue_py.http.query import LONGEST_QUOTE, Query
from miniqueue_py.protocol.options import check_delay

LONGEST_BODY_BYTES = 1 << 18
"""Room for ten thousand receipts."""

TOO_LONG = f"the body is longer than {LONGEST_BODY_BYTES} bytes; send it in several requests"

MOST_RECEIVED = 1000
RECEIVED_UNASKED = 1
LONGEST_WAIT_SECONDS = 60.0
"""Proxies cut a request that is silent for longer. `-max-wait` may say otherwise."""

SETTLED_A_TURN = 1000

_TOUCH = "touch"
_DACK = "dack"
_DECISIONS = {
    "ack": Decision.ACK,
    "nack": Decision.NACK,
    "back": Decision.BACK,
    "release": Decision.RELEASE,
    "dead": Decision.DEAD,
    _TOUCH: None,
}


class Part(NamedTuple):
    """Some receipts, and what is to become of them."""

    receipts: Sequence[str]
    decision: Decision | None
    """None to begin their leases anew."""
    delay_seconds: float = 0.0


class Receive(Claiming):
    """One request for messages. Raises BadParameter when it is made."""

    def __init__(
        self, max_wait_seconds: float, exchange: Exchange, broker: Broker, topic: str
    ) -> None:
        self.exchange = exchange
        self._max_wait_seconds = max_wait_seconds
        self._broker = broker
        self._topic = topic
        self._limit = RECEIVED_UNASKED
        self._lease: float | None = None
        if exchange.request.query:
            self._read(Query(exchange.request.query))
        self.take()

    def claim(self) -> Claim:
        return self._broker.claims.receive(
            self._topic,
            self._limit,
            self.wait_seconds,
            self._on_received,
            self._lease,
            self.exchange.request.client[0],
        )

    def _read(self, query: Query) -> None:
        query.check_known("max", "wait", "lease")
        self._limit = query.whole_number("max", RECEIVED_UNASKED, least=1, most=MOST_RECEIVED)
        most = max(LONGEST_WAIT_SECONDS, self._max_wait_seconds)
        wait = query.duration("wait", 0.0, least=0.0, most=most)
        self.wait_seconds = min(wait, self._max_wait_seconds)
        self._lease = query.duration(
            "lease", None, least=SHORTEST_LEASE_SECONDS, most=LONGEST_LEASE_SECONDS
        )

    def _on_received(self, received: Sequence[ReceivedDelivery] | Exception) -> None:
        if isinstance(received, Exception):
            self.exchange.fail(received)
        elif received:
            shown = [as_object(delivery.message, receipt) for receipt, delivery in received]
            self.exchange.respond(*json_answer(b"[%b]" % b",".join(shown)))
        else:
            self.exchange.respond(*NO_CONTENT)


class Settle(WholeBody):
    """One request that settles, some in each turn of the loop.

    What it has begun it ends, though its client goes. Raises BadParameter and
    MessageTooLong when it is made.
    """

    def __init__(self, exchange: Exchange, broker: Broker, topic: str) -> None:
        super().__init__(exchange, LONGEST_BODY_BYTES)
        self.check_declared()
        if exchange.request.query:
            Query(exchange.request.query).check_known()
        self._broker = broker
        self._topic = topic
        self._turns: deque[Sequence[Part]] = deque()
        self._late: list[str] = []

    def on_whole(self, body: bytes) -> None:
        parts = parse_settlement(parse(body))
        _check(self._broker, self._topic, parts)
        self._turns = deque(_turns(parts))
        self._go_on()

    def too_long(self, limit: int) -> MessageTooLong:
        return _BodyTooLong(limit)

    def _go_on(self) -> None:
        try:
            for part in self._turns.popleft():
                self._late += _carry_out(self._broker, self._topic, part)
        except Exception as error:  # noqa: BLE001  nobody else would answer in a later turn
            self.exchange.fail(error)
        else:
            if self._turns:
                asyncio.get_running_loop().call_soon(self._go_on)
            else:
                late = encode(self._late) if self._late else b"[]"
                self.exchange.respond(*json_answer(b'{"expired":%b}' % late))


class _BodyTooLong(MessageTooLong):
    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = (TOO_LONG,)


def parse_settlement(value: object) -> Sequence[Part]:
    """Return what a body asks for, in the order in which it does. Raises BadParameter."""
    if not isinstance(value, dict):
        raise BadParameter("the body", 'is not a JSON object, such as {"ack":["receipt"]}')
    parts: list[Part] = []
    for key, named in value.items():
        if key == _DACK:
            parts += _delays(named)
        elif key in _DECISIONS:
            parts.append(Part(_receipts(key, named), _DECISIONS[key]))
        else:
            known = ", ".join((*_DECISIONS, _DACK))
            raise BadParameter(f"{key[:LONGEST_QUOTE]!a}", f"is unknown; known are {known}")
    return parts


def _receipts(key: str, value: object) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadParameter(key, "is not a list of receipts")
    return value


def _delays(value: object) -> Iterator[Part]:
    if not isinstance(value, dict):
        raise BadParameter(_DACK, 'is not an object of receipts, such as {"receipt":5}')
    delays = [(receipt, _seconds(receipt, delay)) for receipt, delay in value.items()]
    for seconds, alike in groupby(delays, itemgetter(1)):
        yield Part([receipt for receipt, _ in alike], Decision.DACK, seconds)


def _seconds(receipt: str, delay: object) -> float:
    try:
        return check_delay(delay)
    except ValueError as error:
        where = f"{_DACK} of {receipt[:LONGEST_QUOTE]!a}"
        raise BadParameter(where, str(error)) from None


def _check(broker: Broker, topic: str, parts: Sequence[Part]) -> None:
    """Raise BadTopicName before anything is settled, if dead letters have nowhere to go."""
    for part in parts:
        if part.decision is Decision.DEAD:
            broker.receipts.settle(topic, (), part.decision)


def _turns(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    """Cut what is to be done into what is done in one turn of the loop."""
    turn: list[Part] = []
    room = SETTLED_A_TURN
    for part in parts:
        rest = part
        while rest.receipts:
            turn.append(rest._replace(receipts=rest.receipts[:room]))
            rest = rest._replace(receipts=rest.receipts[room:])
            room -= len(turn[-1].receipts)
            if not room:
                yield turn
                turn, room = [], SETTLED_A_TURN
    yield turn


def _carry_out(broker: Broker, topic: str, part: Part) -> Sequence[str]:
    """Return the receipts that were not held."""
    if part.decision is None:
        return broker.receipts.touch(topic, part.receipts)
    return broker.receipts.settle(topic, part.receipts, part.decision, part.delay_seconds)
