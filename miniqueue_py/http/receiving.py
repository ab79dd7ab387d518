"""Consuming without a stream: /receive hands out receipts, /settle takes them back.

A client that goes away while it waits takes nothing with it. Once messages
have receipts, the lease is what brings them back: nobody can tell whether an
answer that was sent has arrived.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from quart import Blueprint, Response, request

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import BadParameter
from miniqueue_py.http.json_bodies import answer, answer_encoded, nothing, read_json
from miniqueue_py.http.messages import as_object
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.query import Query
from miniqueue_py.http.terms import LONGEST_LEASE_SECONDS, SHORTEST_LEASE_SECONDS
from miniqueue_py.protocol.options import check_delay

MOST_RECEIVED = 1000
RECEIVED_UNASKED = 1
LONGEST_WAIT_SECONDS = 60.0
"""Proxies cut a request that is silent for longer."""

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
_LONGEST_QUOTE = 50
"""Characters of a client's own words in an error."""


class Part(NamedTuple):
    """Some receipts, and what is to become of them."""

    receipts: Sequence[str]
    decision: Decision | None
    """None to begin their leases anew."""
    delay_seconds: float = 0.0


def receiving(broker: Broker) -> Blueprint:
    """Return the pages /receive/{topic} and /settle/{topic}."""
    pages = Blueprint("receiving", __name__)

    @pages.post("/receive/<segment>")
    async def receive(segment: str) -> Response:
        topic = topic_name(segment)
        query = Query(request.scope["query_string"])
        receipts = await broker.receive(
            topic,
            query.whole_number("max", RECEIVED_UNASKED, least=1, most=MOST_RECEIVED),
            query.duration("wait", 0.0, least=0.0, most=LONGEST_WAIT_SECONDS),
            query.duration("lease", None, least=SHORTEST_LEASE_SECONDS, most=LONGEST_LEASE_SECONDS),
        )
        if not receipts:
            return nothing(204)
        shown = [as_object(delivery.message, receipt) for receipt, delivery in receipts]
        return answer_encoded(b"[%b]" % b",".join(shown))

    @pages.post("/settle/<segment>")
    async def settle(segment: str) -> Response:
        topic = topic_name(segment)
        parts = parse_settlement(await read_json(request))
        _check(broker, topic, parts)
        late: list[str] = []
        for turn in _turns(parts):
            for part in turn:
                late += _carry_out(broker, topic, part)
            await asyncio.sleep(0)
        return answer({"expired": late})

    return pages


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
            raise BadParameter(f"{key[:_LONGEST_QUOTE]!a}", f"is unknown; known are {known}")
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
        where = f"{_DACK} of {receipt[:_LONGEST_QUOTE]!a}"
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
