"""The table of deliveries by number, without a broker."""

import pytest

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.in_flight import InFlight
from miniqueue_py.broker.message import Message


def dealt(*bodies: bytes) -> list[Delivery]:
    return [Delivery(Message(body, (1, 1), None), None) for body in bodies]


def test_numbers_count_from_one_and_are_never_given_twice() -> None:
    in_flight = InFlight()

    assert list(in_flight.add(dealt(b"a", b"b"))) == [1, 2]
    in_flight.remove([1, 2])

    assert list(in_flight.add(dealt(b"c"))) == [3]
    assert in_flight.next_number == 4


def test_size_is_that_of_what_is_there() -> None:
    in_flight = InFlight()
    in_flight.add(dealt(b"1", b"22", b"333"))
    assert (len(in_flight), in_flight.size) == (3, 6)

    in_flight.remove([2])
    assert (len(in_flight), in_flight.size) == (2, 4)
    in_flight.remove_all()

    assert (len(in_flight), in_flight.size) == (0, 0)


@pytest.mark.parametrize("gap", [1, 63, 64, 65, 1000])
def test_oldest_is_found_behind_any_gap(gap: int) -> None:
    in_flight = InFlight()
    in_flight.add(dealt(*[b"x"] * (gap + 5)))
    in_flight.remove(range(2, gap + 2))
    assert in_flight.find_oldest() == 1

    in_flight.remove([1])

    assert in_flight.find_oldest() == gap + 2
    assert in_flight.find_up_to(gap + 3) == [gap + 2, gap + 3]
    assert in_flight.find_up_to(1) == []


def test_nothing_has_no_oldest() -> None:
    in_flight = InFlight()
    assert in_flight.find_oldest() is None
    assert in_flight.find_up_to(5) == []

    in_flight.add(dealt(b"a"))
    in_flight.remove([1])

    assert in_flight.find_oldest() is None
    assert in_flight.find_up_to(1) == []


def test_what_was_skipped_is_not_looked_for_again() -> None:
    in_flight = InFlight()
    in_flight.add(dealt(*[b"x"] * 10))
    in_flight.remove(range(1, 6))

    in_flight.skip(5)
    in_flight.skip(2)

    assert in_flight.find_oldest() == 6


@pytest.mark.timeout(15)
def test_hundreds_of_thousands_are_settled_one_by_one_at_the_same_price_each() -> None:
    """A dict that is asked for its first key each time needs half a minute for these."""
    in_flight = InFlight()
    in_flight.add(dealt(b"x") * 300_000)

    while (oldest := in_flight.find_oldest()) is not None:
        in_flight.remove([oldest])

    assert not in_flight


def test_search_is_counted_as_what_it_looks_at_at_most() -> None:
    in_flight = InFlight()
    assert in_flight.count_looked_at(5) == 0
    in_flight.add(dealt(*[b"x"] * 1000))
    assert in_flight.count_looked_at(10) == 10

    in_flight.remove(range(2, 1000))

    assert in_flight.count_looked_at(999) == 4, "numbers of those that are gone are stepped over"
    assert in_flight.find_up_to(999) == [1]
