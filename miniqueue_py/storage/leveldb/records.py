"""Messages as bytes: a format version, flags, the fields they announce, the body.

A field that has its default value takes no bytes, so the common record is two
bytes longer than its body.
"""

from struct import Struct

from miniqueue_py.broker.message import Message
from miniqueue_py.errors import StorageCorrupt

FORMAT = 1
HAS_DACK_COUNT = 0x01

_COMMON = bytes((FORMAT, 0))
_WITH_DACK_COUNT = Struct(">BBI")


def encode(message: Message) -> bytes:
    body, dack_count = message
    if not dack_count:
        return _COMMON + body
    return _WITH_DACK_COUNT.pack(FORMAT, HAS_DACK_COUNT, dack_count) + body


def decode(record: bytes) -> Message:
    """Return the message. Raises StorageCorrupt."""
    if record[:2] == _COMMON:
        return Message(record[2:])
    if record[:2] == bytes((FORMAT, HAS_DACK_COUNT)) and len(record) >= _WITH_DACK_COUNT.size:
        dack_count = _WITH_DACK_COUNT.unpack_from(record)[2]
        return Message(record[_WITH_DACK_COUNT.size :], dack_count)
    raise StorageCorrupt(f"a message record starts with {record[:2].hex()}, which is no format")
