"""Errors as programs read them: by their code, whatever the sentence says."""

import json
from typing import Any

import pytest

from miniqueue_py import errors
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.http.problems import _STATUSES, status_of
from miniqueue_py.protocol.codes import all_codes, code_of
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk
from tests.http.exchanges import request
from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio

ACCEPTS = {"accept": "text/html, Application/Problem+JSON;q=0.9"}


def problem(text: str, status: int, code: str) -> dict[str, Any]:
    return {
        "error": text,
        "type": f"urn:miniqueue:error:{code}",
        "title": code.replace("_", " "),
        "status": status,
        "detail": text,
        "code": code,
    }


def test_every_kind_of_error_with_a_status_has_a_code() -> None:
    for kind in _STATUSES:
        error = kind.__new__(kind)
        assert code_of(error) in all_codes()
        assert status_of(error) == _STATUSES[kind]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/publish/orders?priority=256", 400, "bad_parameter"),
        ("/publish/orders?delay=10s&ttl=10s", 409, "contradiction"),
        ("/publish/a%2Fb", 400, "bad_topic"),
        ("/publish/full", 429, "full"),
    ],
)
async def test_publish_that_accepts_problems_gets_one(path: str, status: int, code: str) -> None:
    wire = Wire()
    await wire.administration.set_policy("full", TopicPolicy(max_messages=1))
    await wire.publish(b"1", topic="full")
    plain = await request(wire.door, "POST", path, b"x")

    answer = await request(wire.door, "POST", path, b"x", headers=ACCEPTS)

    told = json.loads(plain.body)
    assert list(told) == ["error"], "who does not ask sees what there was before"
    assert plain.headers["content-type"] == "application/json"
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body) == problem(told["error"], status, code)
    assert (plain.status, answer.status) == (status, status)


async def test_wrong_method_and_missing_duplex_have_codes_too() -> None:
    wire = Wire()
    wrong = await request(wire.door, "GET", "/publish/orders", headers=ACCEPTS)
    half = await request(
        wire.door, "POST", "/subscribe/orders", headers=ACCEPTS, http_version="1.1"
    )

    assert json.loads(wrong.body)["code"] == "method_not_allowed"
    assert json.loads(half.body)["code"] == "duplex_needed"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/topics/nobody", 404, "topic_not_found"),
        ("/topics?x=1", 400, "bad_parameter"),
        ("/no/such/page", 404, "no_such_page"),
    ],
)
async def test_page_that_accepts_problems_gets_one(path: str, status: int, code: str) -> None:
    answer = await Desk(ManualClock()).pages.test_client().get(path, headers=ACCEPTS)

    told = await answer.get_json(force=True)
    assert answer.content_type == "application/problem+json"
    assert told == problem(told["error"], status, code)


def test_a_code_is_that_of_the_nearest_kind() -> None:
    assert code_of(errors.EncodedBody("gzip")) == "unknown_content_type"
    assert code_of(errors.CapReached("maxMessages", 1)) == "full"
    assert code_of(errors.DiskFull()) == "disk_full"
    assert code_of(errors.NoSuchDelivery("ACK", 9)) == "no_such_delivery"
