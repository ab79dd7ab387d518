"""The layout of the database: every key that is ever written.

    00 version                                  the format of the whole
    01 topic id                                 the topic's record, name included
    02 topic id | 255 - priority | position     a message, ready or in flight
    03 due ms   | topic id       | position     a message set aside
    04 topic id                                 a purged topic whose range is not empty yet

Numbers are big-endian, so keys sort as the queue runs: `a < b` exactly when
`encode(a) < encode(b)`. Topic names appear in topic records only, so no name
can collide with another or be the prefix of one.
"""

from struct import Struct

VERSION_KEY = b"\x00version"

TOPICS = b"\x01"
MESSAGES = b"\x02"
DELAYED = b"\x03"
DOOMED = b"\x04"

MIDDLE = 1 << 63
"""Where positions start: the back goes up from here, the front goes down."""

LOWEST_PRIORITY = 255
"""The priority byte of priority 0; the byte is turned over so that higher sorts first."""

LAST_MOMENT_MS = (1 << 64) - 1

_ID = Struct(">cI")
_MESSAGE = Struct(">cIBQ")
_DELAYED = Struct(">cQIQ")


def topic_key(topic_id: int) -> bytes:
    return _ID.pack(TOPICS, topic_id)


def doomed_key(topic_id: int) -> bytes:
    return _ID.pack(DOOMED, topic_id)


def topic_id_of(key: bytes) -> int:
    """Return the topic id of a topic key or a doomed key."""
    topic_id: int = _ID.unpack(key)[1]
    return topic_id


def message_key(topic_id: int, position: int, priority: int = 0) -> bytes:
    return _MESSAGE.pack(MESSAGES, topic_id, LOWEST_PRIORITY - priority, position)


def position_of(message_key: bytes) -> int:
    position: int = _MESSAGE.unpack(message_key)[3]
    return position


def message_range(topic_id: int) -> tuple[bytes, bytes]:
    """Return the first key and the key after the last of a topic's messages."""
    return _ID.pack(MESSAGES, topic_id), _ID.pack(MESSAGES, topic_id + 1)


def delayed_key(due_ms: int, topic_id: int, position: int) -> bytes:
    return _DELAYED.pack(DELAYED, due_ms, topic_id, position)


def delayed_fields(key: bytes) -> tuple[int, int, int]:
    """Return due milliseconds, topic id and position of a delayed key."""
    _, due_ms, topic_id, position = _DELAYED.unpack(key)
    return due_ms, topic_id, position
