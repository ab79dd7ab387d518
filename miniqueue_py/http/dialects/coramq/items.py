"""CoraMQ's items: what they are as messages, and who has which."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from miniqueue_py.broker.leases import Leases
from miniqueue_py.broker.message import Message, id_text
from miniqueue_py.errors import BadParameter
from miniqueue_py.http.json_text import encode_text, parse
from miniqueue_py.protocol.options import check_priority

_FORGOTTEN_A_TURN = 1000


class Item(NamedTuple):
    """What a producer put into a queue."""

    id: str
    payload: str
    priority: int

    def encode(self) -> bytes:
        """Return its JSON without the priority, as it is stored."""
        return b'{"id":%b,"payload":%b}' % (encode_text(self.id), encode_text(self.payload))


_Key = tuple[str, str]
"""A topic, and the id of an item in it."""


class InFlight:
    """The receipts of items, by what their consumers know of them; each until its lease is over."""

    def __init__(self) -> None:
        self._receipts: dict[_Key, dict[str, None]] = {}
        """The first taken first."""
        self._keys: dict[str, _Key] = {}
        self._leases: Leases[str] = Leases()

    def __repr__(self) -> str:
        return f"<InFlight, {len(self._keys)} items>"

    def add(self, key: _Key, receipt: str, seconds: float, now: float) -> None:
        """Remember that a receipt is good for an item."""
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

    def forget(self, receipts: Sequence[str]) -> None:
        """Remember no more that these are good, if that was remembered."""
        self._leases.end(receipts)
        for receipt in receipts:
            if receipt in self._keys:
                self._forget(receipt)

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
    item_id, payload = text_in(item, "id", "item."), text_in(item, "payload", "item.")
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


def read_object(body: bytes) -> Mapping[str, object]:
    """Return the body of a request. Raises BadParameter.

    The queue that it names is nobody's concern where the path names one:
    CoraMQ's README asks any queue for an item with "queueName": "queueName".
    """
    value = parse(body)
    if not isinstance(value, dict):
        raise BadParameter("the body", "is not a JSON object")
    if not isinstance(value.get("queueName", ""), str):
        raise BadParameter("queueName", "is not a string")
    return value


def text_in(value: Mapping[str, object], name: str, where: str = "") -> str:
    """Return what must be a string. Raises BadParameter."""
    text = value.get(name)
    if not isinstance(text, str):
        raise BadParameter(where + name, "is not a string" if name in value else "is missing")
    return text
