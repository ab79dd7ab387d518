import json
import math
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.broker.policy import (
    DEFAULT_POLICY,
    LARGEST_CAP,
    LONGEST_SECONDS,
    MOST_DELIVERIES,
    Backoff,
    TopicPolicy,
    decode_policy,
    encode_policy,
    policy_as_json,
    policy_from_json,
)
from miniqueue_py.errors import BadPolicy, Contradiction, StorageCorrupt

durations = st.floats(0, LONGEST_SECONDS, exclude_min=True)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/"),
    min_size=1,
    max_size=60,
)


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    initial, longest = sorted(draw(st.tuples(durations, durations)))
    factor, jitter = draw(st.floats(1, 1000)), draw(st.floats(0, 1))
    return Backoff(initial=initial, factor=factor, max=longest, jitter=jitter)


policies = st.builds(
    TopicPolicy,
    lease=st.none() | durations,
    max_deliveries=st.none() | st.integers(1, MOST_DELIVERIES),
    dead_letter=st.none() | names,
    backoff=st.none() | backoffs(),
    ttl=st.none() | durations,
    max_messages=st.none() | st.integers(1, LARGEST_CAP),
    max_bytes=st.none() | st.integers(1, LARGEST_CAP),
    dedupe_window=st.floats(0, LONGEST_SECONDS),
    is_paused=st.booleans(),
)


def test_waits_of_a_backoff_grow_by_its_factor_up_to_its_longest() -> None:
    backoff = Backoff(initial=1, factor=2, max=300)

    waits = [backoff.seconds(attempt, 0.5) for attempt in range(1, 11)]

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]


@given(backoffs(), st.integers(1, MOST_DELIVERIES), st.floats(0, 1, exclude_max=True))
def test_wait_is_no_further_from_its_exact_length_than_the_jitter(
    backoff: Backoff, attempt: int, chance: float
) -> None:
    exact = backoff.seconds(attempt, 0.5)
    wait = backoff.seconds(attempt, chance)

    assert backoff.initial <= exact <= backoff.max
    assert exact * (1 - backoff.jitter) <= wait <= exact * (1 + backoff.jitter)


def test_jitter_makes_a_wait_shorter_or_longer_as_chance_will() -> None:
    backoff = Backoff(initial=10, jitter=0.1)

    assert backoff.seconds(1, 0) == pytest.approx(9)
    assert backoff.seconds(1, 0.75) == pytest.approx(10.5)


def test_wait_after_very_many_attempts_is_the_longest() -> None:
    assert Backoff(initial=5e-324, factor=1000, jitter=0).seconds(MOST_DELIVERIES, 0) == 300
    assert Backoff(initial=7, factor=1, jitter=0).seconds(MOST_DELIVERIES, 0) == 7


def test_dead_letters_go_beside_their_topic_unless_told_otherwise() -> None:
    assert DEFAULT_POLICY.dead_letter_of("orders") == "orders.dead"
    assert TopicPolicy(dead_letter="graves").dead_letter_of("orders") == "graves"


def test_policy_is_read_with_the_names_of_the_wire() -> None:
    policy = policy_from_json(
        {
            "lease": "30s",
            "maxDeliveries": 5,
            "deadLetter": "graves",
            "backoff": {"initial": 0.5, "factor": 3, "max": "1m", "jitter": 0},
            "ttl": 3600,
            "maxMessages": 10_000,
            "maxBytes": 1 << 40,
            "dedupeWindow": 0,
        }
    )

    assert policy == TopicPolicy(
        lease=30.0,
        max_deliveries=5,
        dead_letter="graves",
        backoff=Backoff(initial=0.5, factor=3.0, max=60.0, jitter=0.0),
        ttl=3600.0,
        max_messages=10_000,
        max_bytes=1 << 40,
        dedupe_window=0.0,
    )


def test_what_is_absent_or_null_is_the_default() -> None:
    nothing = dict.fromkeys(policy_as_json(DEFAULT_POLICY))

    assert policy_from_json({}) == DEFAULT_POLICY
    assert policy_from_json(nothing) == DEFAULT_POLICY
    assert policy_from_json({"backoff": {}}) == TopicPolicy(backoff=Backoff())
    assert policy_from_json({"backoff": {"factor": None}}) == TopicPolicy(backoff=Backoff())


def test_policy_is_shown_with_every_name_and_seconds_as_people_write_them() -> None:
    assert json.dumps(policy_as_json(TopicPolicy(lease=30.0, backoff=Backoff()))) == (
        '{"lease": 30, "maxDeliveries": null, "deadLetter": null, '
        '"backoff": {"initial": 1, "factor": 2, "max": 300, "jitter": 0.1}, "ttl": null, '
        '"maxMessages": null, "maxBytes": null, "dedupeWindow": 300}'
    )


@given(policies)
def test_policy_that_was_shown_is_read_as_the_same_but_for_the_pause(policy: TopicPolicy) -> None:
    again = policy_from_json(json.loads(json.dumps(policy_as_json(policy))))

    assert TopicPolicy(**{**fields(again), "is_paused": policy.is_paused}) == policy
    assert not again.is_paused


@given(policies)
def test_policy_that_was_stored_is_the_same(policy: TopicPolicy) -> None:
    assert decode_policy(encode_policy(policy)) == policy


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "it is not a JSON object"),
        (None, "it is not a JSON object"),
        ("lease=30s", "it is not a JSON object"),
        ({"leese": 30}, "'leese' is unknown; known are lease, maxDeliveries, deadLetter, "),
        ({"isPaused": True}, "'isPaused' is unknown"),
        ({"\ud800": 1}, r"'\ud800' is unknown"),
        ({"x" * 5000: 1}, f"'{'x' * 50}' is unknown"),
        ({"backoff": {"min": 1}}, "'backoff.min' is unknown; known are initial, factor, max, "),
        ({"backoff": 5}, "backoff is not a JSON object"),
        ({"lease": 0}, "lease is not longer than 0; give seconds as a number, or text such as"),
        ({"lease": "0s"}, "lease is not longer than 0"),
        ({"lease": -1}, "lease is not from 0 to 2147483647 seconds"),
        ({"lease": LONGEST_SECONDS + 1}, "lease is not from 0 to 2147483647 seconds"),
        ({"lease": 10**400}, "lease is not from 0 to 2147483647 seconds"),
        ({"lease": math.nan}, "lease is not from 0 to 2147483647 seconds"),
        ({"lease": math.inf}, "lease is not from 0 to 2147483647 seconds"),
        ({"lease": True}, "lease is not a duration"),
        ({"lease": [30]}, "lease is not a duration"),
        ({"lease": "30"}, "lease is not a duration such as 1s, 500ms or 1m30s"),
        ({"ttl": 0}, "ttl is not longer than 0"),
        ({"dedupeWindow": -1}, "dedupeWindow is not from 0"),
        ({"backoff": {"initial": 0}}, "backoff.initial is not longer than 0"),
        ({"backoff": {"max": "0"}}, "backoff.max is not longer than 0"),
        ({"backoff": {"factor": 0.5}}, "backoff.factor is not a number from 1 to 1000"),
        ({"backoff": {"factor": math.inf}}, "backoff.factor is not a number from 1 to 1000"),
        ({"backoff": {"factor": "2"}}, "backoff.factor is not a number from 1 to 1000"),
        ({"backoff": {"jitter": 1.1}}, "backoff.jitter is not a number from 0 to 1"),
        ({"backoff": {"jitter": True}}, "backoff.jitter is not a number from 0 to 1"),
        ({"maxDeliveries": 0}, "maxDeliveries is not a whole number from 1 to 2147483647"),
        ({"maxDeliveries": 2**31}, "maxDeliveries is not a whole number from 1 to 2147483647"),
        ({"maxDeliveries": 1.0}, "maxDeliveries is not a whole number"),
        ({"maxDeliveries": True}, "maxDeliveries is not a whole number"),
        ({"maxDeliveries": "3"}, "maxDeliveries is not a whole number"),
        ({"maxMessages": 0}, "maxMessages is not a whole number from 1"),
        ({"maxBytes": LARGEST_CAP + 1}, "maxBytes is not a whole number from 1"),
        ({"deadLetter": 17}, "deadLetter is not the name of a topic"),
        ({"deadLetter": ""}, "deadLetter is not the name of a topic: invalid topic value: it is e"),
        ({"deadLetter": "a/b"}, "deadLetter is not the name of a topic"),
        ({"deadLetter": "a\nb"}, "deadLetter is not the name of a topic"),
        ({"deadLetter": "\u00e9" * 128}, "deadLetter is not the name of a topic"),
        ({"deadLetter": "\ud800"}, "deadLetter is not the name of a topic"),
    ],
)
def test_bad_policy_is_refused_by_the_name_of_its_field(value: object, problem: str) -> None:
    with pytest.raises(BadPolicy) as refusal:
        policy_from_json(value)

    assert str(refusal.value).startswith(f"policy: {problem}")
    str(refusal.value).encode()  # whatever the client sent, it can be answered


@pytest.mark.parametrize(
    "backoff", [{"initial": 10, "max": 5}, {"initial": "5m1s"}, {"max": 0.5}, {"max": "1ms"}]
)
def test_backoff_that_begins_longer_than_it_may_get_contradicts_itself(
    backoff: dict[str, object],
) -> None:
    with pytest.raises(Contradiction, match="the first wait cannot be longer than the longest"):
        policy_from_json({"backoff": backoff})


def test_stored_policy_of_a_later_version_is_read_without_what_is_new() -> None:
    later = json.loads(encode_policy(TopicPolicy(backoff=Backoff(), is_paused=True)))
    later["colour"] = "red"
    later["backoff"]["shape"] = [1, 2]

    assert decode_policy(json.dumps(later).encode()) == TopicPolicy(
        backoff=Backoff(), is_paused=True
    )


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xff\xfe\xfd",
        b"{",
        b"[]",
        b"null",
        b'{"lease":-1}',
        b'{"isPaused":1}',
        b'{"backoff":{"initial":9,"max":1}}',
        b'{"lease":' + b"9" * 5000 + b"}",
        b"[" * sys.getrecursionlimit() * 10,
    ],
)
def test_nonsense_in_a_store_is_corruption(record: bytes) -> None:
    with pytest.raises(StorageCorrupt, match="a stored policy cannot be read"):
        decode_policy(record)


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_any_record_is_a_policy_or_corruption(record: bytes) -> None:
    with suppress(StorageCorrupt):
        decode_policy(record)


def fields(policy: TopicPolicy) -> dict[str, Any]:
    return {name: getattr(policy, name) for name in TopicPolicy.__slots__}
