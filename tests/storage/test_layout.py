"""Keys, records and the window: pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.broker.message import PLAIN, Extras, Message, Origin
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.ordered import window
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.window import EVERYTHING, Window

ids = st.integers(0, 2**32 - 2)
positions = st.integers(0, 2**64 - 1)
priorities = st.integers(0, 255)


@given(st.tuples(ids, priorities, positions), st.tuples(ids, priorities, positions))
def test_message_keys_sort_as_the_queue_runs(
    a: tuple[int, int, int], b: tuple[int, int, int]
) -> None:
    def key(entry: tuple[int, int, int]) -> bytes:
        return keys.message_key(entry[0], entry[2], entry[1])

    def place(entry: tuple[int, int, int]) -> tuple[int, int, int]:
        return entry[0], -entry[1], entry[2]

    assert (place(a) < place(b)) == (key(a) < key(b))


@given(st.tuples(positions, ids, positions), st.tuples(positions, ids, positions))
def test_delayed_keys_sort_by_due_time_then_publish_order(
    a: tuple[int, int, int], b: tuple[int, int, int]
) -> None:
    assert (a < b) == (keys.delayed_key(*a) < keys.delayed_key(*b))
    assert keys.delayed_fields(keys.delayed_key(*a)) == a


@given(ids, ids, positions, priorities)
def test_a_topic_range_holds_its_keys_and_no_other(
    topic: int, other: int, position: int, priority: int
) -> None:
    start, stop = keys.message_range(topic)
    assert (start <= keys.message_key(other, position, priority) < stop) == (topic == other)


longs = st.integers(0, 2**64 - 1)
counts = st.integers(0, 2**32 - 1)
_origin = (st.text(max_size=99), st.text(max_size=9), counts, longs)
origins = st.builds(Origin, *_origin, st.none() | st.builds(Origin, *_origin, st.none()))
extras = st.builds(Extras, counts, counts, priorities, st.none() | longs, st.none() | origins)
messages = st.builds(
    Message, st.binary(), st.tuples(counts, longs), st.none() | longs, st.just(PLAIN) | extras
)


@given(messages, st.sampled_from((True, False)))
def test_records_come_back_as_they_went(message: Message, is_implied: bool) -> None:
    implied = message.id if is_implied else (0, 0)
    assert records.decode(records.encode(message, implied), implied) == message


@given(messages, st.data())
def test_record_that_is_cut_before_its_body_is_corrupt(
    message: Message, data: st.DataObject
) -> None:
    record = records.encode(message, (0, 0))
    head = len(record) - len(message.body)
    with pytest.raises(StorageCorrupt):
        records.decode(record[: data.draw(st.integers(0, head - 1))], (0, 0))


def test_common_record_is_ten_bytes_longer_than_its_body() -> None:
    message = Message(b"hello", (1, 1), 1_700_000_000_000)
    record = records.encode(message, (1, 1))
    assert record == records.common_prefix(1_700_000_000_000) + b"hello"
    assert len(record) == 5 + records.COMMON_BYTES


@pytest.mark.parametrize("record", [b"", b"\x01", b"\x02\x00x", b"\x01\x80x", b"\x01\x01\x00"])
def test_record_in_no_known_format_is_corrupt(record: bytes) -> None:
    with pytest.raises(StorageCorrupt):
        records.decode(record, (1, 1))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 99)), max_size=200))
def test_window_shows_every_ready_key_in_order(steps: list[tuple[bool, int]]) -> None:
    disk: set[bytes] = set()
    shown = Window(horizon=b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "MAX_ENTRIES", 5)
        for is_insert, number in steps:
            key = b"%02d" % number
            if is_insert and key not in disk:
                disk.add(key)
                shown.insert(key, b"")
            elif not is_insert and disk:
                if not shown:
                    beyond = sorted(key for key in disk if key > shown.horizon)
                    shown.refill((key, b"") for key in beyond)
                [(taken, _)] = shown.take(1, 1)
                assert taken == min(disk)
                disk.remove(taken)
            assert len(shown) <= 6


def test_window_holds_one_message_larger_than_itself() -> None:
    large = b"x" * (window.MAX_BYTES + 1)
    shown = Window(horizon=EVERYTHING)

    shown.insert(b"1", large)
    shown.insert(b"2", large)

    assert len(shown) == 1
    assert shown.horizon == b"1"
