import math

import pytest

from miniqueue_py.protocol.options import check_delay, check_key, check_priority, check_ttl

LONGEST = 2**31 - 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (-0.0, 0), (1.5, 1.5), (LONGEST, LONGEST), ("30s", 30), ("1m30s", 90), ("0", 0)],
)
def test_delay_is_a_number_of_seconds_or_a_duration(value: object, seconds: float) -> None:
    delay = check_delay(value)

    assert delay == seconds
    assert isinstance(delay, float)
    assert math.copysign(1, delay) == 1


@pytest.mark.parametrize(
    "value",
    [
        *(-1, -0.001, LONGEST + 1, 10**400, math.nan, math.inf, True, [], {}),
        *("-1s", "30", "", "1e9s", "2147483648s", " 1s", "\u0661s"),
    ],
)
def test_bad_delay_is_refused_with_the_end_of_a_sentence(value: object) -> None:
    with pytest.raises(ValueError, match=r"^is not "):
        check_delay(value)


def test_ttl_is_a_delay_longer_than_nothing() -> None:
    assert check_ttl("1h") == 3600
    assert check_ttl(0.001) == 0.001
    for value in (0, 0.0, -0.0, "0", "0s", "0.1ns"):
        with pytest.raises(ValueError, match=r"^is 0, and has to be longer"):
            check_ttl(value)
    with pytest.raises(ValueError, match=r"^is not from 0 to"):
        check_ttl(-1)


@pytest.mark.parametrize(("value", "priority"), [(0, 0), (255, 255), ("0", 0), ("255", 255)])
def test_priority_is_a_whole_number_as_text_too(value: object, priority: int) -> None:
    assert check_priority(value) == priority


@pytest.mark.parametrize(
    "value", [-1, 256, 10**400, 1.0, True, [], "-1", "256", "+1", "1.0", "", "high", "\u0661"]
)
def test_bad_priority_is_refused_with_the_end_of_a_sentence(value: object) -> None:
    with pytest.raises(ValueError, match=r"^is not a whole number"):
        check_priority(value)


@pytest.mark.parametrize("key", ["a", "a b", "x" * 256, "\u00e9" * 128, "\n"])
def test_key_is_any_text_of_some_bytes(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("value", ["", "x" * 257, "\u00e9" * 129, "\ud800", 17, True, [], b"a"])
def test_bad_key_is_refused_with_the_end_of_a_sentence(value: object) -> None:
    with pytest.raises(ValueError, match=r"^is "):
        check_key(value)
