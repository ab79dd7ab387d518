"""Messages as bytes: a format version, flags, the fields they announce, the body.

A field that has its default value takes no bytes. The common record has the
instant it was published, in milliseconds, and its body; its id follows from
the key that it was published under.
"""

from collections.abc import Callable
from functools import partial
from struct import Struct, error
from typing import Any

from miniqueue_py.broker.message import PLAIN, Extras, Message, MessageId, Origin
from miniqueue_py.errors import StorageCorrupt

FORMAT = 1
HAS_DACK_COUNT = 0x01
HAS_PUBLISHED = 0x02
HAS_ID = 0x04
HAS_ATTEMPTS = 0x08
HAS_EXPIRES = 0x10
HAS_PRIORITY = 0x20
HAS_ORIGIN = 0x40
HAS_MORE = 0x80
"""Behind the flags stands another byte of them, for what few messages have."""

HAS_FIRST_ORIGIN = 0x01
_MORE_KNOWN = 0x01

COMMON = bytes((FORMAT, HAS_PUBLISHED))
COMMON_BYTES = 10
"""What a common record has before its body."""

_new: Any = tuple.__new__
_message: Callable[[tuple[bytes, MessageId, int, Extras]], Message] = partial(_new, Message)
_LONG = Struct(">Q")
_INT = Struct(">I")
_ID = Struct(">IQ")
_ORIGIN = Struct(">IQHH")


def common_prefix(published_ms: int) -> bytes:
    """Return what a common record has before its body."""
    return COMMON + _LONG.pack(published_ms)


def published_of(head: bytes) -> int | None:
    """Return when a message was published whose record begins so; None for uncommon ones."""
    if len(head) != COMMON_BYTES or not head.startswith(COMMON):
        return None
    published_ms: int = _LONG.unpack_from(head, len(COMMON))[0]
    return published_ms


def decode_common(record: bytes, message_id: MessageId) -> Message:
    """Return the message of a common record."""
    return _message((record[COMMON_BYTES:], message_id, *_LONG.unpack_from(record, 2), PLAIN))


def encode(message: Message, implied: MessageId | None) -> bytes:
    """Return the record; an id is written unless it is the one that the key implies."""
    body, message_id, published_ms, extras = message
    flags, fields = 0, []
    if extras.dack_count:
        flags |= HAS_DACK_COUNT
        fields.append(_INT.pack(extras.dack_count))
    if published_ms is not None:
        flags |= HAS_PUBLISHED
        fields.append(_LONG.pack(published_ms))
    if message_id != implied:
        flags |= HAS_ID
        fields.append(_ID.pack(*message_id))
    if extras.attempts:
        flags |= HAS_ATTEMPTS
        fields.append(_INT.pack(extras.attempts))
    if extras.expires_ms is not None:
        flags |= HAS_EXPIRES
        fields.append(_LONG.pack(extras.expires_ms))
    if extras.priority:
        flags |= HAS_PRIORITY
        fields.append(bytes((extras.priority,)))
    if extras.origin is not None:
        flags |= HAS_ORIGIN
        fields.append(_encode_origin(extras.origin))
        if extras.origin.first is not None:
            fields.append(_encode_origin(extras.origin.first))
            head = bytes((FORMAT, flags | HAS_MORE, HAS_FIRST_ORIGIN))
            return b"".join((head, *fields, body))
    return b"".join((bytes((FORMAT, flags)), *fields, body))


def decode(record: bytes, implied: MessageId) -> Message:
    """Return the message. Raises StorageCorrupt."""
    if len(record) < len(COMMON) or record[0] != FORMAT or _more_flags(record) & ~_MORE_KNOWN:
        raise StorageCorrupt(f"a message record starts with {record[:3].hex()}, which is no format")
    try:
        return _decode(record, implied)
    except (error, IndexError, UnicodeDecodeError) as cause:
        raise StorageCorrupt(f"a message record is cut short: {record[:40].hex()}") from cause


def _more_flags(record: bytes) -> int:
    """Return the second byte of flags, 0 without one."""
    return record[2] if record[1] & HAS_MORE and len(record) > len(COMMON) else 0


def _decode(record: bytes, message_id: MessageId) -> Message:
    flags, more, at = record[1], 0, 2
    if flags & HAS_MORE:
        more = record[2]
        at += 1
    dack_count = attempts = priority = 0
    published_ms = expires_ms = None
    origin: Origin | None = None
    if flags & HAS_DACK_COUNT:
        [dack_count] = _INT.unpack_from(record, at)
        at += _INT.size
    if flags & HAS_PUBLISHED:
        [published_ms] = _LONG.unpack_from(record, at)
        at += _LONG.size
    if flags & HAS_ID:
        message_id = _ID.unpack_from(record, at)
        at += _ID.size
    if flags & HAS_ATTEMPTS:
        [attempts] = _INT.unpack_from(record, at)
        at += _INT.size
    if flags & HAS_EXPIRES:
        [expires_ms] = _LONG.unpack_from(record, at)
        at += _LONG.size
    if flags & HAS_PRIORITY:
        priority = record[at]
        at += 1
    if flags & HAS_ORIGIN:
        origin, at = _decode_origin(record, at)
        if more & HAS_FIRST_ORIGIN:
            first, at = _decode_origin(record, at)
            origin = origin._replace(first=first)
    extras = Extras(dack_count, attempts, priority, expires_ms, origin)
    return Message(record[at:], message_id, published_ms, PLAIN if extras == PLAIN else extras)


def _encode_origin(origin: Origin) -> bytes:
    topic, reason = origin.topic.encode(), origin.reason.encode()
    return _ORIGIN.pack(origin.attempts, origin.at_ms, len(topic), len(reason)) + topic + reason


def _decode_origin(record: bytes, at: int) -> tuple[Origin, int]:
    attempts, at_ms, topic_size, reason_size = _ORIGIN.unpack_from(record, at)
    at += _ORIGIN.size
    middle, end = at + topic_size, at + topic_size + reason_size
    if end > len(record):
        raise IndexError(end)
    topic, reason = record[at:middle].decode(), record[middle:end].decode()
    return Origin(topic, reason, attempts, at_ms), end
