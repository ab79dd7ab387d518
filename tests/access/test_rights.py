from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import EVERY_TOPIC, governing, is_match


@pytest.mark.parametrize(
    ("glob", "topic", "expected"),
    [
        ("orders", "orders", True),
        ("orders", "orders.new", False),
        ("orders.*", "orders.new", True),
        ("orders.*", "orders.", True),
        ("orders.*", "orders", False),
        ("orders.*", "borders.new", False),
        ("*", "anything at all", True),
        ("*.eu", "orders.eu", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "axbxc", True),
        ("a*b*c", "axc", False),
        ("*a*", "xax", True),
        ("ab*ba", "aba", False),
        ("[a]", "a", False),
        ("?", "a", False),
        (".*", "orders", False),
    ],
)
def test_glob(glob: str, topic: str, expected: bool) -> None:
    assert is_match(glob, topic) is expected


def slow_match(glob: str, topic: str) -> bool:
    """What it means, with no thought for time."""
    if not glob:
        return not topic
    if glob[0] == "*":
        return any(slow_match(glob[1:], topic[i:]) for i in range(len(topic) + 1))
    return bool(topic) and topic[0] == glob[0] and slow_match(glob[1:], topic[1:])


@given(st.text("ab*", max_size=7), st.text("ab", max_size=9))
def test_a_glob_matches_what_its_definition_says(glob: str, topic: str) -> None:
    assert is_match(glob, topic) is slow_match(glob, topic)


@pytest.mark.parametrize(
    ("topic", "decisive"),
    [
        ("orders", "orders"),
        ("orders.dead", "orders"),
        ("orders.dead.dead", "orders"),
        (".dead", ".dead"),
        ("orders.deader", "orders.deader"),
    ],
)
def test_a_dead_letter_topic_follows_its_topic(topic: str, decisive: str) -> None:
    assert governing(topic) == decisive


@pytest.mark.parametrize(
    ("globs", "topic", "expected"),
    [
        (("orders",), "orders.dead", True),
        (("orders.*",), "orders.dead", False),
        (("*.dead",), "orders.dead", False),
        (("orders.dead",), "orders.dead", False),
        (("*",), EVERY_TOPIC, True),
        (("orders*", "o*"), EVERY_TOPIC, False),
        ((), "orders", False),
    ],
)
def test_what_a_principal_may(globs: Any, topic: str, expected: bool) -> None:
    principal = Principal(name="ci", scopes={"consume": globs})

    assert principal.may("consume", topic) is expected
    assert principal.may("consume", topic) is expected, "as it was the first time"
    assert not principal.may("publish", topic)
    assert len(principal._answers) == 2


def test_answers_that_are_kept_are_bounded() -> None:
    principal = Principal(name="ci", scopes={"consume": ("a*",)})
    for i in range(3000):
        assert principal.may("consume", f"a{i}")

    assert len(principal._answers) <= 1000
