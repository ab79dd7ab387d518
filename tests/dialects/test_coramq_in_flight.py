"""What CoraMQ remembers of items that are in flight."""

from miniqueue_py.http.dialects.coramq.items import InFlight


def test_receipts_that_are_good_no_more_are_forgotten() -> None:
    in_flight = InFlight()
    for i in range(4):
        in_flight.add(("queue", f"{i % 2}"), f"receipt {i}", 10.0, 1000.0)

    in_flight.forget(["receipt 0", "receipt 3", "another's"])

    assert list(in_flight.take(("queue", "0"), 1001.0)) == ["receipt 2"]
    assert list(in_flight.take(("queue", "1"), 1001.0)) == ["receipt 1"]
    assert not in_flight._keys
    assert not in_flight._leases


def test_nothing_is_remembered_of_what_is_in_flight_no_more() -> None:
    in_flight = InFlight()
    for i in range(100):
        in_flight.add(("queue", f"{i % 10}"), f"receipt {i}", 10.0, 1000.0 + i // 50)
    for i in range(50):
        assert next(in_flight.take(("queue", f"{i % 10}"), 1001.0)) == f"receipt {i}"
    assert len(in_flight._keys) == len(in_flight._leases) == 50

    assert list(in_flight.take(("queue", "unknown"), 1010.9)) == []
    assert len(in_flight._keys) == 50
    in_flight.add(("queue", "0"), "the last", 5.0, 1011.0)

    assert in_flight._keys == {"the last": ("queue", "0")}
    assert in_flight._receipts == {("queue", "0"): {"the last": None}}
    assert len(in_flight._leases) == 1
