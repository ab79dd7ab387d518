"""The tables behind leases, without a broker."""

from itertools import chain

import pytest

from miniqueue_py.broker.alarms import Alarms
from miniqueue_py.broker.leases import Leases


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
