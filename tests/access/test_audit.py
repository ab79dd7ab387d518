"""What a security team can read, and what nobody can."""

from pathlib import Path

import pytest

from miniqueue_py.http.access.audit import MOST_ADDRESSES, Audit
from miniqueue_py.http.access.refusals import NotAuthenticated
from miniqueue_py.http.exchange import Request
from miniqueue_py.testing.clock import ManualClock
from tests.access.gate import Gate

pytestmark = pytest.mark.anyio


async def test_refusals_of_an_address_are_told_once_a_minute(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    for _ in range(50):
        await gate.ask("POST", "/publish/a?q=1", "mq_wrong")
    await gate.clock.advance(59)
    await gate.ask("POST", "/publish/a", None)
    assert gate.lines("access.refused") == [
        {
            "who": "",
            "address": "127.0.0.1",
            "method": "POST",
            "path": "/publish/a",
            "reason": "unknown",
        }
    ]
    await gate.clock.advance(1)
    await gate.ask("POST", "/publish/a", None)

    assert gate.lines("access.refused")[1]["not_told"] == 50
    assert gate.audit.refused["unknown"] == 50
    assert gate.audit.refused["no_token"] == 2


async def test_who_lacks_a_right_is_named_with_it(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    secret = await gate.admit("ci", {"inspect": ("a",)})
    await gate.ask("GET", "/metrics", secret)

    [told] = gate.lines("access.refused")
    assert told == {
        "who": "ci",
        "address": "127.0.0.1",
        "method": "GET",
        "path": "/metrics",
        "reason": "right",
        "right": "inspect",
        "topic": "*",
    }


async def test_each_use_of_admin_is_told(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    secret = await gate.admit("ops", {"admin": ("a",)})
    await gate.publish("a", b"x")
    for _ in range(3):
        await gate.ask("POST", "/topics/a/purge", secret)
    await gate.ask("DELETE", "/a", secret)

    told = gate.lines("access.admin")
    assert [(each["who"], each["method"], each["path"], each["topic"]) for each in told] == [
        *[("ops", "POST", "/topics/a/purge", "a")] * 3,
        ("ops", "DELETE", "/a", "a"),
    ]
    assert gate.audit.admin_uses == 4


async def test_no_line_has_a_secret_or_a_body(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    secret = await gate.admit("ops", {"admin": ("a",)})
    await gate.ask("PUT", "/topics/a", secret, {"ttl": "1234567s"})
    await gate.ask("POST", f"/publish/a?token={secret}", secret, b"a body")
    await gate.clock.advance(60)
    await gate.ask("POST", f"/publish/a?token={secret}", "mq_" + secret, b"a body")
    await gate.revoke("ops")

    assert len(gate.told) == 5
    for part in (secret, "1234567", "a body", "token="):
        assert part not in repr(gate.told)


def test_addresses_that_are_remembered_are_bounded() -> None:
    clock, told = ManualClock(), []
    audit = Audit(clock, lambda *line: told.append(line))
    error = NotAuthenticated("no_token", "x")
    for i in range(3 * MOST_ADDRESSES):
        request = Request("GET", b"/", b"", (), "2", "https", (f"10.0.{i // 250}.{i % 250}", 1))
        audit.note_refused(request, error, "", None, "")

    assert len(told) == MOST_ADDRESSES == len(audit._told_at)
    assert len(audit._untold) <= MOST_ADDRESSES


async def test_all_of_it_is_in_metrics(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    secret = await gate.admit("ops")
    await gate.ask("GET", "/metrics", None)
    await gate.ask("POST", "/topics/a/purge", secret)
    page = (await gate.ask("GET", "/metrics", secret)).body.decode()

    for line in (
        'miniqueue_access_refused_total{reason="no_token"} 1.0',
        'miniqueue_access_refused_total{reason="streams"} 0.0',
        'miniqueue_access_reloads_total{outcome="done"} 1.0',
        "miniqueue_access_admin_total 1.0",
        "miniqueue_access_streams_ended_total 0.0",
    ):
        assert f"\n{line}\n" in page
