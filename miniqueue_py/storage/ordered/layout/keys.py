"""The layout of the database: every key that is ever written.

    00 "version"                                  the format of the whole
    00 "last topic"                               the highest topic id that was ever given up
    01 topic id                                   the topic's record, name included
    02 topic id   | 255 - priority | position     a message, ready or in flight
    03 due ms     | topic id | position           a message set aside
    04 topic id                                   a purged topic, and the spaces to be swept of it
    05 expires ms | the message's key             a message that does not live for ever
    06 topic id   | digest of a key               what was published under an idempotency key
    07 topic id   | sequence                      the digest that was kept for that message
    08 topic id                                   the topic's policy, where it has one
    09 topic id   | digest of a batch's key       how many messages of that batch are stored
    0a topic id   | number                        the digest that has that number, to forget it by

Numbers are big-endian, so keys sort as the queue runs: `a < b` exactly when
`encode(a) < encode(b)`. Topic names appear in topic records only, so no name
can collide with another or be the prefix of one.
"""

from hashlib import blake2b
from struct import Struct

VERSION_KEY = b"\x00version"
LAST_TOPIC_KEY = b"\x00last topic"

TOPICS = b"\x01"
MESSAGES = b"\x02"
DELAYED = b"\x03"
DOOMED = b"\x04"
EXPIRIES = b"\x05"
KEPT_KEYS = b"\x06"
KEPT_ORDER = b"\x07"
POLICIES = b"\x08"
BATCHES = b"\x09"
BATCH_ORDER = b"\x0a"

SPACES_OF_KEPT = KEPT_KEYS + KEPT_ORDER + BATCHES + BATCH_ORDER

SPACES_OF_TOPICS = MESSAGES + DELAYED + EXPIRIES + SPACES_OF_KEPT
"""Where a topic may have many keys."""

POSITIONS = 1 << 64
MIDDLE = POSITIONS // 2
"""Where positions start: the back goes up from here, the front goes down."""

LOWEST_PRIORITY = 255
"""The priority byte of priority 0; the byte is turned over so that higher sorts first."""

_ID = Struct(">cI")
_MESSAGE = Struct(">cIBQ")
_DELAYED = Struct(">cQIQ")
_INSTANT = Struct(">cQ")
_ORDER = Struct(">cIQ")

_POSITION = Struct(">Q")

ID_BYTES = _ID.size
INSTANT_BYTES = _INSTANT.size


def topic_key(topic_id: int) -> bytes:
    return _ID.pack(TOPICS, topic_id)


def doomed_key(topic_id: int) -> bytes:
    return _ID.pack(DOOMED, topic_id)


def policy_key(topic_id: int) -> bytes:
    return _ID.pack(POLICIES, topic_id)


def topic_id_of(key: bytes) -> int:
    """Return the topic id of any key that begins with one."""
    topic_id: int = _ID.unpack_from(key)[1]
    return topic_id


def message_key(topic_id: int, position: int, priority: int = 0) -> bytes:
    return _MESSAGE.pack(MESSAGES, topic_id, LOWEST_PRIORITY - priority, position)


def message_prefix(topic_id: int, priority: int = 0) -> bytes:
    """Return what the keys of a topic and a priority begin with, before the position."""
    return message_key(topic_id, 0, priority)[:-8]


def message_keys(prefix: bytes, first: int, count: int) -> list[bytes]:
    """Return the keys of positions in a row."""
    pack = _POSITION.pack
    return [prefix + pack(position) for position in range(first, first + count)]


def position_of(message_key: bytes) -> int:
    position: int = _MESSAGE.unpack(message_key)[3]
    return position


def just_below(message_key: bytes) -> bytes:
    """Return a key from which `message_key` is the first that lies beyond."""
    return (as_number(message_key) - 1).to_bytes(len(message_key), "big")


def as_number(message_key: bytes) -> int:
    """Return a number that is one more for the next position."""
    return int.from_bytes(message_key, "big")


def message_range(topic_id: int) -> tuple[bytes, bytes]:
    """Return the first key and the key after the last of a topic's messages."""
    return range_of(MESSAGES, topic_id)


def priority_of(message_key: bytes) -> bytes:
    """Return what the keys of a topic and a priority begin with."""
    return message_key[:6]


def next_priority(message_key: bytes) -> bytes:
    """Return where the messages of a lower priority begin."""
    prefix = int.from_bytes(priority_of(message_key), "big") + 1
    return prefix.to_bytes(6, "big")


def delayed_key(due_ms: int, topic_id: int, position: int) -> bytes:
    return _DELAYED.pack(DELAYED, due_ms, topic_id, position)


def is_delayed(key: bytes) -> bool:
    """Tell the key of a delayed message from that of a ready one."""
    return key.startswith(DELAYED)


def delayed_fields(key: bytes) -> tuple[int, int, int]:
    """Return due milliseconds, topic id and position of a delayed key."""
    _, due_ms, topic_id, position = _DELAYED.unpack(key)
    return due_ms, topic_id, position


def instant_key(space: bytes, instant_ms: int) -> bytes:
    """Return a key before everything of that instant in a space that sorts by time."""
    return _INSTANT.pack(space, instant_ms)


def expiry_key(expires_ms: int, message_key: bytes) -> bytes:
    return _INSTANT.pack(EXPIRIES, expires_ms) + message_key


def message_of_expiry(key: bytes) -> bytes:
    """Return the key of the message that an expiry is of."""
    return key[INSTANT_BYTES:]


def kept_key(topic_id: int, key: str) -> bytes:
    """Return where an idempotency key is kept: keys are long, and only compared."""
    return _ID.pack(KEPT_KEYS, topic_id) + _digest(key)


def kept_order_key(topic_id: int, sequence: int) -> bytes:
    return _ORDER.pack(KEPT_ORDER, topic_id, sequence)


def batch_key(topic_id: int, key: str) -> bytes:
    """Return where the count of a batch is kept: its key is as long as a message's may be."""
    return _ID.pack(BATCHES, topic_id) + _digest(key)


def batch_order_key(topic_id: int, number: int) -> bytes:
    return _ORDER.pack(BATCH_ORDER, topic_id, number)


def batch_order_fields(key: bytes) -> tuple[int, int]:
    """Return the topic id and the number of a key of that order."""
    _, topic_id, number = _ORDER.unpack(key)
    return topic_id, number


def range_of(space: bytes, topic_id: int) -> tuple[bytes, bytes]:
    """Return the first key and the key after the last that a topic has in a space."""
    return _ID.pack(space, topic_id), _ID.pack(space, topic_id + 1)


def whole(space: bytes) -> tuple[bytes, bytes]:
    """Return the first key and the key after the last of a space."""
    return space, bytes((space[0] + 1,))


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()
