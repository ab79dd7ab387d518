"""Message records with more than one byte of flags, and those without."""

import pytest

from miniqueue_py.broker.message import Extras, Message, Origin
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.ordered.layout import records

FIRST = Origin("or\u00e9ders", "maxDeliveries", 3, 77)
LAST = Origin("orders.dead", "DEAD", 1, 99, FIRST)


def twice_dead(body: bytes = b"hello") -> Message:
    return Message(body, (7, 9), 5, Extras(2, 3, 9, 100, LAST))


@pytest.mark.parametrize("body", [b"", b"hello", bytes(300)])
def test_letter_that_died_twice_is_read_as_it_was_written(body: bytes) -> None:
    message = twice_dead(body)

    assert records.decode(records.encode(message, None), (1, 1)) == message


def test_letter_that_died_once_takes_the_bytes_that_it_always_took() -> None:
    message = Message(b"x", (1, 1), None, Extras(origin=Origin("t", "DEAD", 1, 2)))

    written = records.encode(message, (1, 1))

    assert written.hex() == "0140" + "00000001" + "0000000000000002" + "00010004" + b"tDEADx".hex()
    assert records.decode(written, (1, 1)) == message


def test_record_that_is_cut_short_anywhere_before_its_body_is_refused() -> None:
    whole = records.encode(twice_dead(b""), None)

    for size in range(len(whole)):
        with pytest.raises(StorageCorrupt):
            records.decode(whole[:size], (1, 1))


@pytest.mark.parametrize("more", [0x02, 0x80, 0xFF])
def test_flag_of_a_version_to_come_is_refused(more: int) -> None:
    written = bytearray(records.encode(twice_dead(), None))
    written[2] = more

    with pytest.raises(StorageCorrupt, match="which is no format"):
        records.decode(bytes(written), (1, 1))
