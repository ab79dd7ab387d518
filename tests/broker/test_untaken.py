"""What was dealt and not taken, without a broker."""

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.untaken import MOST_UNTAKEN, MOST_UNTAKEN_BYTES, Untaken


def dealt(first: int, count: int, body: bytes = b"x") -> dict[int, Delivery]:
    delivery = Delivery(Message(body, (1, 1), None), None)
    return dict.fromkeys(range(first, first + count), delivery)


def test_room_is_for_so_many_messages() -> None:
    untaken = Untaken()
    assert untaken.room == MOST_UNTAKEN

    untaken.add(dealt(1, 3), 3)

    assert untaken.room == MOST_UNTAKEN - 3
    assert 3 in untaken
    assert 4 not in untaken


def test_past_so_many_bytes_there_is_none_until_they_are_taken() -> None:
    untaken = Untaken()
    body = bytes(MOST_UNTAKEN_BYTES)
    untaken.add(dealt(1, 1, body), len(body))
    assert not untaken.room

    assert [number for number, _ in untaken.take()] == [1]

    assert untaken.room == MOST_UNTAKEN
    assert not untaken.is_awaited


def test_what_is_lost_leaves_no_room_before_the_next_look() -> None:
    untaken = Untaken()
    untaken.add(dealt(1, 3), 3)
    untaken.lose([1, 2])
    assert (len(untaken), untaken.first_number, untaken.room) == (1, 3, 0)

    untaken.lose([3])
    assert untaken.is_awaited
    assert untaken.take() == []

    assert untaken.room == MOST_UNTAKEN


def test_what_goes_back_is_told_by_its_numbers_and_was_never_lost() -> None:
    untaken = Untaken()
    untaken.add(dealt(5, 2), 2)

    assert untaken.clear() == [5, 6]

    assert untaken.first_number is None
    assert untaken.room == MOST_UNTAKEN
