"""The broker's facts as log lines: what is told at which level."""

import pytest
from structlog.testing import capture_logs

from miniqueue_py.broker.delivery import ACK, Bury, Delivery
from miniqueue_py.broker.events import (
    ClockStepped,
    Deleted,
    Delivered,
    Event,
    Expired,
    Loaded,
    PolicySet,
    Published,
    Purged,
    Redriven,
    Restored,
    Settled,
    StorageDamaged,
    StorageFailed,
    StorageRecovered,
)
from miniqueue_py.broker.message import Extras, Message
from miniqueue_py.broker.policy import Backoff, TopicPolicy
from miniqueue_py.telemetry.observer import log_events

DELIVERIES = [
    Delivery(Message(b"secret", (1, 17), 0), None),
    Delivery(Message(b"secret", (1, 18), 0, Extras(attempts=2)), None),
]


def lines(event: Event, level: str) -> list[dict[str, object]]:
    with capture_logs() as written:
        for observer in log_events(level):
            observer(event)
    return [dict(line) for line in written]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Deleted("orders"), {"event": "topic.deleted", "topic": "orders"}),
        (Purged("orders", 3), {"event": "topic.purged", "topic": "orders", "messages": 3}),
        (Loaded("zapq", 3), {"event": "topic.loaded", "topic": "zapq", "messages": 3}),
        (Redriven("graves", 3), {"event": "topic.redriven", "topic": "graves", "messages": 3}),
        (StorageRecovered(), {"event": "storage.recovered"}),
        (
            PolicySet("orders", TopicPolicy(lease=30, backoff=Backoff(), is_paused=True)),
            {
                "event": "topic.policy_set",
                "topic": "orders",
                "paused": True,
                "policy": {
                    "lease": 30,
                    "backoff": {"initial": 1, "factor": 2, "max": 300, "jitter": 0.1},
                    "dedupeWindow": 300,
                },
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("level", ["info", "debug"])
def test_what_is_rare_is_told_from_info_on(
    event: Event, line: dict[str, object], level: str
) -> None:
    assert lines(event, level) == [{**line, "log_level": "info"}]


def test_failure_of_storage_is_an_error() -> None:
    [line] = lines(StorageFailed("fsync failed"), "info")

    assert line == {
        "event": "storage.failed",
        "cause": "fsync failed",
        "publishing": "refused",
        "log_level": "error",
    }


def test_damage_is_an_error() -> None:
    [line] = lines(StorageDamaged("messages of topic 'a' cannot be read"), "info")

    assert line == {
        "event": "storage.damaged",
        "what": "messages of topic 'a' cannot be read",
        "log_level": "error",
    }


def test_clock_that_was_set_is_a_warning() -> None:
    assert lines(ClockStepped(-3600.00049), "info") == [
        {"event": "clock.stepped", "by_s": -3600.0, "log_level": "warning"}
    ]


def test_dead_letters_are_told_with_their_reason_in_one_line() -> None:
    buried = Settled("orders", "nack", Bury("graves", "maxDeliveries", 5), DELIVERIES)

    assert lines(buried, "info") == [
        {
            "event": "messages.buried",
            "topic": "orders",
            "dead_letter": "graves",
            "reason": "maxDeliveries",
            "messages": 2,
            "log_level": "info",
        }
    ]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            Published("orders", 2, 12, 1),
            [{"event": "message.published", "messages": 2, "bytes": 12, "duplicates": 1}],
        ),
        (
            Delivered("orders", DELIVERIES),
            [
                {"event": "message.delivered", "message": "1-17", "attempt": 1},
                {"event": "message.delivered", "message": "1-18", "attempt": 3},
            ],
        ),
        (
            Settled("orders", "ack", ACK, DELIVERIES[:1]),
            [
                {
                    "event": "delivery.settled",
                    "decision": "ack",
                    "message": "1-17",
                    "attempt": 1,
                }
            ],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_happens_to_messages_is_told_at_debug_and_not_at_info(
    event: Event, expected: list[dict[str, object]]
) -> None:
    assert lines(event, "info") == []
    assert lines(event, "debug") == [
        {**line, "topic": "orders", "log_level": "debug"} for line in expected
    ]


@pytest.mark.parametrize(
    ("event", "name"), [(Restored(5), "messages.restored"), (Expired(5), "messages.expired")]
)
def test_what_time_does_is_told_at_debug_and_not_at_info(event: Event, name: str) -> None:
    assert lines(event, "info") == []
    assert lines(event, "debug") == [{"event": name, "messages": 5, "log_level": "debug"}]


@pytest.mark.parametrize("level", ["debug", "info"])
def test_body_is_never_told(level: str) -> None:
    buried = Settled("orders", "dead", Bury("graves", "DEAD", 5), DELIVERIES)

    for event in (Delivered("orders", DELIVERIES), buried):
        assert "secret" not in str(lines(event, level))


def test_nobody_listens_when_nothing_is_to_be_told() -> None:
    assert not log_events("disabled")
