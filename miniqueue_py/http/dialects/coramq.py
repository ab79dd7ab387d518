"""CoraMQ's API: queues of items with a priority, taken until a timeout.

A queue is a topic. An item's id is its producer's, so it lies in the message,
and there may be several of one id. What is in flight is known by that id
alone: who acknowledges it means the one that was taken first.
"""

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NamedTuple

from quart import Blueprint, Response, request

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.leases import Leases
from miniqueue_py.broker.message import Message, Publication, id_text
from miniqueue_py.broker.policy import DEFAULT_POLICY
from miniqueue_py.errors import BadParameter, ShuttingDown, TopicNotFound
from miniqueue_py.http.json_bodies import answer, read_body
from miniqueue_py.http.json_text import encode, parse
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.refusing import publishing_to
from miniqueue_py.protocol.options import check_priority
from miniqueue_py.topic_names import check_topic_name

VISIBILITY_SECONDS = 10.0
"""How long an item may be held, if its topic's policy does not say."""

_FORGOTTEN_A_TURN = 1000


def coramq(broker: Broker, administration: Administration) -> Blueprint:
    """Return CoraMQ's pages."""
    pages = Blueprint("coramq", __name__)
    queues = _Queues(broker, administration)
    pages.post("/queues")(queues.create)
    pages.post("/queues/<segment>/enqueue")(queues.enqueue)
    pages.post("/queues/<segment>/dequeue")(queues.dequeue)
    pages.post("/queues/<segment>/acknowledge")(queues.acknowledge)
    return pages


def explain_coramq(status: int, text: str) -> Response:
    """Say what went wrong as CoraMQ does."""
    return _error(status, text)


def _error(status: int, text: str, **what: str) -> Response:
    return answer({"status": "error", "message": text, **what}, status)


def _success(text: str, status: int = 200, **what: object) -> Response:
    return answer({"status": "success", "message": text, **what}, status)


class Item(NamedTuple):
    """What a producer put into a queue."""

    id: str
    payload: str
    priority: int


class _Queues:
    def __init__(self, broker: Broker, administration: Administration) -> None:
        self._broker = broker
        self._administration = administration
        self._in_flight = _InFlight()
        self._coming: set[str] = set()
        """Queues that are being made."""

    async def create(self) -> Response:
        topic = check_topic_name(_text(await _read_object(), "queueName"))
        if self._broker.is_draining:
            raise ShuttingDown
        if topic in self._coming or self._administration.knows(topic):
            return _error(400, "Queue with the given name already exists", queueName=topic)
        self._coming.add(topic)
        try:
            await self._administration.set_policy(topic, DEFAULT_POLICY)
        finally:
            self._coming.discard(topic)
        return _success("Queue created successfully", HTTPStatus.CREATED, queueName=topic)

    async def enqueue(self, segment: str) -> Response:
        with publishing_to(self._broker, segment) as topic:
            item = read_item(await _read_object())
        if not self._administration.knows(topic):
            self._broker.reports.refused(topic, TopicNotFound(topic))
            return _no_queue(topic)
        body = encode({"id": item.id, "payload": item.payload})
        await self._broker.publish(topic, [Publication([body], item.priority)])
        return _success("Item enqueued successfully", item=item._asdict())

    async def dequeue(self, segment: str) -> Response:
        topic = topic_name(segment)
        await _read_object(empty={})
        if not self._administration.knows(topic):
            return _no_queue(topic)
        # Read first: what is told is never later than what the broker goes by.
        now = self._broker.clock.now()
        seconds = self._administration.policy(topic).lease or VISIBILITY_SECONDS
        receipts = await self._broker.receive(topic, 1, 0.0, seconds)
        if not receipts:
            return _error(404, "Queue is empty", queueName=topic)
        [(receipt, delivery)] = receipts
        item = item_of(delivery.message)
        self._in_flight.add((topic, item.id), receipt, seconds, now)
        shown = {**item._asdict(), "visibilityTimeout": _instant(now + seconds)}
        return _success("Item dequeued successfully", item=shown)

    async def acknowledge(self, segment: str) -> Response:
        topic = topic_name(segment)
        item_id = _text(await _read_object(), "itemId")
        if not self._administration.knows(topic):
            return _no_queue(topic)
        for receipt in self._in_flight.take((topic, item_id), self._broker.clock.now()):
            if self._broker.receipts.acknowledge(topic, receipt):
                return _success("Item acknowledged successfully", itemId=item_id)
        return _error(404, "Item not found in the in-flight queue", itemId=item_id)


_Key = tuple[str, str]
"""A topic, and the id of an item in it."""


class _InFlight:
    """The receipts of items, by what their consumers know of them; each until its lease is over."""

    def __init__(self) -> None:
        self._receipts: dict[_Key, dict[str, None]] = {}
        """The first taken first."""
        self._keys: dict[str, _Key] = {}
        self._leases: Leases[str] = Leases()

    def add(self, key: _Key, receipt: str, seconds: float, now: float) -> None:
        self._forget_over(now)
        self._receipts.setdefault(key, {})[receipt] = None
        self._keys[receipt] = key
        self._leases.start([receipt], seconds, now)

    def take(self, key: _Key, now: float) -> Iterator[str]:
        """Yield the receipts of an item, each of which is forgotten then."""
        self._forget_over(now)
        while receipts := self._receipts.get(key):
            receipt = next(iter(receipts))
            self._leases.end([receipt])
            self._forget(receipt)
            yield receipt

    def _forget_over(self, now: float) -> None:
        for receipt in self._leases.take_over(now, _FORGOTTEN_A_TURN):
            self._forget(receipt)

    def _forget(self, receipt: str) -> None:
        key = self._keys.pop(receipt)
        receipts = self._receipts[key]
        del receipts[receipt]
        if not receipts:
            del self._receipts[key]


def read_item(value: Mapping[str, object]) -> Item:
    """Return the item of a request. Raises BadParameter."""
    item = value.get("item")
    if not isinstance(item, dict):
        raise BadParameter("item", "is no object" if "item" in value else "is missing")
    item_id, payload = _text(item, "id", "item."), _text(item, "payload", "item.")
    if not item_id:
        raise BadParameter("item.id", "is empty: it could not be told from others")
    priority = item.get("priority")
    if priority is None:  # as Go's decoder takes null, and as one that is missing
        priority = 0
    try:
        # A number in quotes is one elsewhere, and none here.
        check_priority(None if isinstance(priority, str) else priority)
    except ValueError as error:
        raise BadParameter("item.priority", str(error)) from None
    return Item(item_id, payload, priority)


def item_of(message: Message) -> Item:
    """Return the item that a message is; what came from elsewhere goes by the message's own id."""
    priority = message.extras.priority
    try:
        value = parse(message.body)
    except BadParameter:
        value = None
    if isinstance(value, dict) and value.keys() == {"id", "payload"}:
        item_id, payload = value["id"], value["payload"]
        if isinstance(item_id, str) and isinstance(payload, str) and item_id:
            return Item(item_id, payload, priority)
    try:
        payload = message.body.decode()
    except UnicodeDecodeError:
        payload = base64.b64encode(message.body).decode()
    return Item(id_text(message.id), payload, priority)


async def _read_object(empty: object = None) -> Mapping[str, object]:
    """Return the body of a request. Raises BadParameter.

    The queue that it names is nobody's concern where the path names one:
    CoraMQ's README asks any queue for an item with "queueName": "queueName".
    """
    body = await read_body(request)
    value = parse(body) if body or empty is None else empty
    if not isinstance(value, dict):
        raise BadParameter("the body", "is not a JSON object")
    if not isinstance(value.get("queueName", ""), str):
        raise BadParameter("queueName", "is not a string")
    return value


def _text(value: Mapping[str, object], name: str, where: str = "") -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise BadParameter(where + name, "is not a string" if name in value else "is missing")
    return text


def _no_queue(topic: str) -> Response:
    return _error(404, "Queue not found", queueName=topic)


def _instant(seconds: float) -> str:
    """Return an instant in UTC, as RFC 3339 writes it and to the millisecond below."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000") + "Z"
