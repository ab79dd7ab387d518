import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.protocol.lines import (
    Origin,
    bad_line,
    closing_line,
    credit_line,
    delivery_line,
    error_line,
    expired_line,
    full_credit_line,
    page_object,
    published_line,
    received_object,
    synced_line,
)

numbers = st.integers(1, 2**63)
instants = st.integers(0, 2**53)
words = st.text(st.characters(codec="utf-8"))
first_origins = st.tuples(words, words, numbers, instants, st.none())
origins = st.tuples(words, words, numbers, instants, st.none() | first_origins)
ORDER = ("msg", "dackCount", "id", "attempt", "messageId", "publishedAt", "priority", "dead")


@given(st.binary(), st.integers(0, 2**31))
def test_delivery_line_is_json_of_msg_and_a_dack_count_that_is_not_zero(
    body: bytes, dack_count: int
) -> None:
    line = delivery_line(body, dack_count)

    value = the_value(line)
    assert body_of(value) == body
    assert value == ({"dackCount": dack_count} if dack_count else {})


@given(st.binary(), numbers, numbers, numbers, instants)
def test_both_credit_lines_say_the_same_of_a_common_message(
    body: bytes, delivery: int, topic_number: int, sequence: int, published_ms: int
) -> None:
    line = credit_line(body, delivery, topic_number, sequence, published_ms)

    assert line == full_credit_line(
        body, delivery, topic_number, sequence, attempt=1, published_ms=published_ms
    )
    value = the_value(line)
    assert body_of(value) == body
    assert value == {
        "id": delivery,
        "attempt": 1,
        "messageId": f"{topic_number}-{sequence}",
        "publishedAt": published_ms,
    }


@given(
    st.fixed_dictionaries(
        {"attempt": numbers, "published_ms": st.none() | instants},
        optional={
            "dack_count": st.integers(0, 9),
            "priority": st.integers(0, 255),
            "origin": st.none() | origins,
        },
    )
)
def test_full_credit_line_leaves_out_what_there_is_not(facts: dict[str, Any]) -> None:
    value = the_value(full_credit_line(b"hello", 17, 1, 5, **facts))

    assert list(value) == [key for key in ORDER if key in value]
    expected = {
        "msg": "aGVsbG8=",
        "id": 17,
        "attempt": facts["attempt"],
        "messageId": "1-5",
        "dackCount": facts.get("dack_count") or None,
        "publishedAt": facts["published_ms"],
        "priority": facts.get("priority") or None,
        "dead": the_dead(facts.get("origin")),
    }
    assert value == {key: item for key, item in expected.items() if item is not None}


def test_page_shows_a_message_with_a_receipt_when_it_is_handed_out() -> None:
    received = page_object(b"hello", 1, 5, receipt='a"b', attempt=2, published_ms=9, priority=3)
    seen = page_object(b"hello", 1, 5, published_ms=9)

    assert json.loads(received) == {
        "msg": "aGVsbG8=",
        "receipt": 'a"b',
        "attempt": 2,
        "messageId": "1-5",
        "publishedAt": 9,
        "priority": 3,
    }
    assert json.loads(seen) == {"msg": "aGVsbG8=", "messageId": "1-5", "publishedAt": 9}


@given(body=st.binary(max_size=20), topic=numbers, sequence=numbers, at=instants)
def test_plain_message_is_received_as_any_other(
    body: bytes, topic: int, sequence: int, at: int
) -> None:
    plain = received_object(body, "a-receipt_", topic, sequence, at)

    assert plain == page_object(
        body, topic, sequence, receipt="a-receipt_", attempt=1, published_ms=at
    )


def test_lines_are_as_miniqueue_writes_them() -> None:
    assert delivery_line(b"hello", 0) == b'{"msg":"aGVsbG8="}\n'
    assert delivery_line(b"hello", 2) == b'{"msg":"aGVsbG8=","dackCount":2}\n'
    assert error_line("error decoding command") == b'{"error":"error decoding command"}\n'
    assert closing_line("draining") == b'{"closing":"draining"}\n'


def test_lines_of_credit_and_batches_have_no_white_space_either() -> None:
    assert credit_line(b"hello", 17, 1, 5, 1700000000000) == (
        b'{"msg":"aGVsbG8=","id":17,"attempt":1,"messageId":"1-5","publishedAt":1700000000000}\n'
    )
    assert full_credit_line(
        b"hello",
        17,
        1,
        5,
        attempt=4,
        dack_count=2,
        priority=9,
        published_ms=None,
        origin=("orders", "maxDeliveries", 3, 1700000000000, None),
    ) == (
        b'{"msg":"aGVsbG8=","dackCount":2,"id":17,"attempt":4,"messageId":"1-5","priority":9,'
        b'"dead":{"topic":"orders","reason":"maxDeliveries","attempts":3,"at":1700000000000}}\n'
    )
    assert expired_line(17) == b'{"expired":17}\n'
    assert published_line(1000) == b'{"published":1000}\n'
    assert synced_line(7) == b'{"synced":7}\n'
    told = b'{"error":"msg is missing","code":"bad_request","line":7,"status":400}\n'
    assert bad_line("msg is missing", 7, 400, "bad_request") == told


def the_value(line: bytes) -> dict[str, Any]:
    """What the line says, once it is sure that it is one line."""
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


def the_dead(origin: Origin | None) -> dict[str, object] | None:
    if origin is None:
        return None
    topic, reason, attempts, at_ms, first = origin
    death = {"topic": topic, "reason": reason, "attempts": attempts, "at": at_ms}
    return death if first is None else death | {"first": the_dead(first)}


def body_of(value: dict[str, Any]) -> bytes:
    """Take the body out of the value."""
    return base64.b64decode(value.pop("msg"), validate=True)
