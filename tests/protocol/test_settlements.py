"""What a client says of many deliveries, as the server reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.protocol.commands import CommandReader, Settle
from miniqueue_py.protocol.settlements import Settlement, Settlements


def test_settlements_in_the_order_of_delivery_are_one_short_command() -> None:
    settlements = Settlements()

    first = settlements.encode([("ACK", number) for number in range(1, 1001)])
    second = settlements.encode([("ACK", 1002), ("ACK", 1001), ("ACK", 1003)])

    assert first == b'"ACK ..1000"\n'
    assert second == b'"ACK ..1003"\n'


def test_settlements_out_of_order_name_each_delivery() -> None:
    settlements = Settlements()

    assert settlements.encode([("ACK", 3), ("ACK", 2)]) == b'"ACK 2 3"\n'


def test_a_gap_that_is_closed_makes_commands_short_again() -> None:
    settlements = Settlements()
    settlements.encode([("ACK", 2), ("ACK", 4)])

    assert settlements.encode([("ACK", 1)]) == b'"ACK ..1"\n'
    assert settlements.encode([("ACK", 3)]) == b'"ACK ..3"\n'
    assert settlements.encode([("ACK", 5)]) == b'"ACK ..5"\n'


def test_a_touch_settles_nothing() -> None:
    settlements = Settlements()

    assert settlements.encode([("TOUCH", 1), ("ACK", 2)]) == b'"TOUCH 1"\n"ACK 2"\n'
    assert settlements.encode([("TOUCH", 3), ("TOUCH", 1), ("TOUCH", 3)]) == b'"TOUCH 1 3"\n'


words = st.sampled_from(["ACK", "NACK", "BACK", "DACK 5", "DEAD", "RELEASE"])


@given(st.permutations(range(1, 300)), st.lists(words, min_size=1, max_size=9), st.integers(1, 99))
def test_whatever_is_said_the_server_settles_each_delivery_once_and_as_it_was_said(
    order: list[int], said: list[str], turn: int
) -> None:
    settlements = Settlements()
    reader = CommandReader()
    waiting = [(said[number % len(said)], number) for number in order]
    heard: list[Settlement] = []
    in_flight = set(order)

    for start in range(0, len(waiting), turn):
        encoded = settlements.encode(waiting[start : start + turn])
        for command in reader.feed(encoded):
            assert isinstance(command, Settle), command
            word = command.verb.value
            word += f" {command.seconds}" if command.verb.value == "DACK" else ""
            numbers = _named(command, in_flight)
            in_flight.difference_update(numbers)
            heard += [(word, number) for number in numbers]

    assert sorted(heard) == sorted(waiting)


def _named(command: Settle, in_flight: set[int]) -> list[int]:
    if command.up_to is not None:
        return [number for number in in_flight if number <= command.up_to]
    return list(command.ids)


@pytest.mark.parametrize("number", [1, 10**18])
def test_a_command_is_never_longer_than_the_server_reads(number: int) -> None:
    encoded = Settlements().encode([("RELEASE", number + 2 * each) for each in range(10_000)])

    assert max(map(len, encoded.splitlines())) <= 4096
