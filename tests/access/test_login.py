"""Browsers sign in with a token; what they get shows pages and changes nothing."""

import re
from pathlib import Path

import pytest

from miniqueue_py.http.access.sessions import LONGEST_SECONDS, MOST_SESSIONS, Sessions
from miniqueue_py.http.exchange import Request
from miniqueue_py.testing.clock import ManualClock
from tests.access.gate import Gate
from tests.http.exchanges import Exchange

pytestmark = pytest.mark.anyio

FORM = re.compile(rb'name="form" value="([\w-]+)"')
COOKIE = re.compile(r"([\w-]+)=([^;]*); (.*)")


class Browser:
    """Keeps cookies, and sends forms."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.cookies: dict[str, str] = {}
        self.terms: dict[str, str] = {}

    async def ask(self, method: str, target: str, body: str = "") -> Exchange:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"cookie": cookie, "content-length": str(len(body))}
        exchange = Exchange(self.gate.door(), method, target, headers=headers)
        await exchange.say(body.encode(), is_last=True)
        await exchange.answer()
        for told in [value for name, value in exchange._head[1] if name == b"set-cookie"]:  # type: ignore[index]  # it was answered
            found = COOKIE.fullmatch(told.decode())
            assert found
            self.cookies[found[1]], self.terms[found[1]] = found[2], found[3]
        return exchange

    async def sign_in(self, secret: str) -> Exchange:
        found = FORM.search((await self.ask("GET", "/login")).body)
        assert found
        return await self.ask("POST", "/login", f"form={found[1].decode()}&token={secret}")


@pytest.fixture
async def gate(tmp_path: Path) -> Gate:
    gate = Gate(tmp_path)
    await gate.doors.load()
    return gate


async def test_who_signs_in_sees_what_his_token_may(gate: Gate) -> None:
    secret = await gate.admit("ann", {"inspect": ("tasks", "a*")})
    for topic in ("a", "b"):
        await gate.publish(topic, b"x")
    browser = Browser(gate)
    assert (await browser.ask("GET", "/tasks/stats")).status == 401

    told = await browser.sign_in(secret)

    assert (told.status, told.headers["location"]) == (303, "/tasks/")
    terms = browser.terms["__Host-miniqueue"]
    for term in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert term in terms
    assert "Domain" not in terms
    assert secret not in str(browser.cookies)
    assert (await browser.ask("GET", "/tasks/stats")).status == 200
    assert (await browser.ask("GET", "/topics/b")).status == 403
    topics = (await browser.ask("GET", "/topics")).values[0]["topics"]
    assert [each["name"] for each in topics] == ["a"]
    assert b"signed in as <strong>ann</strong>" in (await browser.ask("GET", "/login")).body
    assert [each["who"] for each in gate.lines("access.login")] == ["ann"]


async def test_a_cookie_changes_nothing_and_opens_no_stream(gate: Gate) -> None:
    browser = Browser(gate)
    await browser.sign_in(await gate.admit("ann"))
    for method, target in (
        ("POST", "/publish/a"),
        ("POST", "/topics/a/purge"),
        ("PUT", "/topics/a"),
        ("DELETE", "/a"),
        ("POST", "/receive/a"),
        ("POST", "/zapq/clear"),
        ("GET", "/zapq/dequeue"),
        ("POST", "/tasks/task"),
    ):
        assert (await browser.ask(method, target)).status == 401, target


async def test_a_session_ends_with_its_token_or_its_time(gate: Gate) -> None:
    secret, other = await gate.admit("ann"), await gate.admit("ben")
    first, second = Browser(gate), Browser(gate)
    await first.sign_in(secret)
    await second.sign_in(other)
    await gate.revoke("ann")
    assert (await first.ask("GET", "/topics")).status == 401
    assert b"Sign in" in (await first.ask("GET", "/login")).body
    assert (await second.ask("GET", "/topics")).status == 200

    await gate.clock.advance(LONGEST_SECONDS)
    assert (await second.ask("GET", "/topics")).status == 401


async def test_who_signs_out_is_out(gate: Gate) -> None:
    browser = Browser(gate)
    await browser.sign_in(await gate.admit("ann"))
    kept = dict(browser.cookies)
    found = FORM.search((await browser.ask("GET", "/login")).body)
    assert found

    told = await browser.ask("POST", "/logout", f"form={found[1].decode()}")

    assert (told.status, told.headers["location"]) == (303, "/login")
    assert not browser.cookies["__Host-miniqueue"]
    browser.cookies = kept
    assert (await browser.ask("GET", "/topics")).status == 401


@pytest.mark.parametrize("secret", ["mq_wrong", "", "%00", "x" * 9000])
async def test_a_token_that_is_none_opens_nothing(gate: Gate, secret: str) -> None:
    browser = Browser(gate)

    told = await browser.sign_in(secret)

    assert told.status == 401
    assert b'role="alert"' in told.body
    assert "__Host-miniqueue" not in browser.cookies
    assert gate.audit.refused["unknown"] == 1


async def test_a_form_of_another_site_is_refused(gate: Gate) -> None:
    secret = await gate.admit("ann")
    browser = Browser(gate)
    assert (await browser.ask("POST", "/login", f"token={secret}")).status == 403
    browser.cookies.clear()
    assert (await browser.ask("POST", "/login", f"form=&token={secret}")).status == 403
    await browser.ask("GET", "/login")
    assert (await browser.ask("POST", "/login", f"form=guess&token={secret}")).status == 403
    assert (await browser.ask("POST", "/logout", "form=guess")).status == 403
    assert (await browser.ask("POST", "/login", "&".join(["a=1"] * 99))).status == 403
    assert (await browser.ask("POST", "/login", "%ff=%ff&form=%00%ff")).status == 403
    assert "__Host-miniqueue" not in browser.cookies


async def test_a_topic_may_be_called_login(gate: Gate) -> None:
    secret = await gate.admit("ann")
    assert (await gate.ask("POST", "/publish/login", secret)).status == 201
    assert (await gate.ask("DELETE", "/login", secret)).status == 200


def test_sessions_are_bounded() -> None:
    sessions = Sessions(ManualClock())
    cookies = [sessions.begin(b"Bearer x") for _ in range(MOST_SESSIONS + 1)]

    def find(cookie: str) -> bytes:
        headers = [(b"cookie", b"a=1"), (b"cookie", f"__Host-miniqueue={cookie}".encode())]
        return sessions.find(Request("GET", b"/", b"", headers, "2", "https", ("", 0)))

    assert find(cookies[0]) == b""
    assert find(cookies[1]) == find(cookies[-1]) == b"Bearer x"
