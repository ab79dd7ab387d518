"""The tables behind leases, without a broker."""

from itertools import chain
from typing import NoReturn

import pytest

from miniqueue_py.broker.alarms import Alarms
from miniqueue_py.broker.leases import Leases


class Looked(dict[float, dict[int, float]]):
    """Tables that remember who asked for which."""

    def __init__(self, tables: dict[float, dict[int, float]]) -> None:
        super().__init__(tables)
        self.looked_at: set[float] = set()

    def __getitem__(self, seconds: float) -> dict[int, float]:
        self.looked_at.add(seconds)
        return super().__getitem__(seconds)

    def values(self) -> NoReturn:
        raise AssertionError("all tables are looked at")

    items = __iter__ = values


def test_lease_is_over_at_its_end_and_not_before() -> None:
    leases: Leases[str] = Leases()
    leases.start(["a", "b"], 10, now=100)
    leases.start(["c"], 5, now=106)

    assert leases.first_end == 110
    assert leases.take_over(109.9, limit=10) == []
    assert leases.take_over(110, limit=10) == ["a", "b"]
    assert leases.take_over(111, limit=10) == ["c"]
    assert not leases
    assert leases.first_end is None


def test_renewed_lease_begins_anew_with_its_own_length() -> None:
    leases: Leases[str] = Leases()
    leases.start(["a", "b"], 10, now=100)

    leases.renew("a", 107)
    leases.renew("nobody", 107)

    assert leases.take_over(116, limit=10) == ["b"]
    assert leases.take_over(117, limit=10) == ["a"]


def test_ended_lease_is_never_over() -> None:
    leases: Leases[str] = Leases()
    leases.start(["a", "b"], 10, now=100)

    leases.end(["a", "nobody"])

    assert leases.take_over(200, limit=10) == ["b"]
    assert not leases


def test_no_more_are_over_than_are_asked_for() -> None:
    leases: Leases[int] = Leases()
    leases.start(range(5), 10, now=100)
    leases.start(range(5, 10), 20, now=100)

    taken = [leases.take_over(200, limit=4) for _ in range(4)]

    assert [len(each) for each in taken] == [4, 4, 2, 0]
    assert sorted(chain.from_iterable(taken)) == list(range(10))


def test_lease_of_nothing_leaves_nothing() -> None:
    leases: Leases[int] = Leases()

    leases.start([], 10, now=100)

    assert not leases._ends
    assert leases.first_end is None


def test_lengths_that_are_not_due_are_not_looked_at() -> None:
    leases: Leases[int] = Leases()
    for number in range(10_000):
        leases.start([number], 10 + number, now=100)
    leases._ends = Looked(leases._ends)

    assert leases.take_over(109, limit=10) == []
    assert leases.take_over(111, limit=10) == [0, 1]

    assert len(leases._ends.looked_at) <= 2


def test_lengths_that_came_and_went_are_not_kept() -> None:
    leases: Leases[int] = Leases()
    for number in range(10_000):
        leases.start([number], 10 + number, now=100)
        leases.end([number])

    assert not leases._ends
    assert len(leases._alarms._heap) < 100


def test_leases_of_many_lengths_are_over_in_their_order() -> None:
    leases: Leases[int] = Leases()
    for seconds in (30, 10, 20):
        leases.start([seconds, seconds + 1], seconds, now=100)
    leases.renew(10, 105)
    leases.end([11])

    assert leases.take_over(115, limit=10) == [10]
    assert leases.take_over(140, limit=3) == [20, 21, 30]
    assert leases.take_over(140, limit=3) == [31]
    assert not leases._ends


def test_alarm_goes_off_at_its_instant_once() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set("late", 20)
    alarms.set("early", 10)

    assert alarms.pop_due(9.9) is None
    assert [alarms.pop_due(20) for _ in range(3)] == ["early", "late", None]


@pytest.mark.parametrize("instants", [(10, 20, 15), (20, 15, 10)])
def test_only_the_earliest_alarm_of_somebody_counts(instants: tuple[float, ...]) -> None:
    alarms: Alarms[str] = Alarms()
    for at in instants:
        alarms.set("a", at)

    assert [alarms.pop_due(now) for now in (9, 10, 15, 20, 30)] == [None, "a", None, None, None]


def test_dropped_alarm_does_not_go_off() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set("a", 10)
    alarms.drop("a")
    alarms.drop("nobody")
    alarms.set("a", 20)

    assert alarms.pop_due(10) is None
    assert alarms.pop_due(20) == "a"


def test_those_who_came_and_went_are_not_kept() -> None:
    alarms: Alarms[int] = Alarms()
    alarms.set(-1, 1_000_000)

    for number in range(10_000):
        alarms.set(number, 500_000)
        alarms.drop(number)

    assert len(alarms) == 1
    assert len(alarms._heap) < 100
    assert alarms.pop_due(1_000_000) == -1
