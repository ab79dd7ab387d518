"""A page of another site, or under a name of another's, gets nothing from any door."""

import pytest

from miniqueue_py.http.browsers import Browsers
from miniqueue_py.http.door import Door
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk, value_of

pytestmark = pytest.mark.anyio

REFUSED = [
    {"host": "localhost:8080", "sec-fetch-site": "cross-site"},
    {"host": "localhost:8080", "sec-fetch-site": "same-site"},
    {"host": "localhost:8080", "sec-fetch-site": "of-a-later-browser"},
    {"host": "localhost:8080", "origin": "https://evil.example"},
    {"host": "localhost:8080", "origin": "null"},
    {"host": "localhost:8080", "origin": ""},
    {"host": "localhost:8080", "origin": "http://localhost:8080"},
    {"host": "localhost:8080", "origin": "https://localhost:8081"},
    {"host": "localhost:8080", "origin": "https://localhost:8080.evil.example"},
    {"host": "localhost:8080", "origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    {"origin": "https://"},
]
LET_IN = [
    {},
    {"host": "localhost:8080"},
    {"host": "localhost:8080", "sec-fetch-site": "same-origin"},
    {"host": "localhost:8080", "sec-fetch-site": "none"},
    {"host": "LOCALHOST:8080", "origin": "https://localhost:8080"},
    {"host": "[::1]:8080", "origin": "https://[::1]:8080", "sec-fetch-site": "same-origin"},
]
DOORS = [
    ("POST", "/publish/orders"),
    ("POST", "/publish/orders/batch"),
    ("POST", "/subscribe/orders"),
    ("POST", "/receive/orders"),
    ("POST", "/settle/orders"),
    ("GET", "/topics"),
    ("GET", "/topics/orders/peek"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("DELETE", "/orders"),
    ("DELETE", "/healthz"),
]


@pytest.mark.parametrize("headers", REFUSED)
@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_page_of_another_site_is_refused_in_one_line(
    method: str, path: str, headers: dict[str, str]
) -> None:
    desk = Desk(ManualClock())
    await desk.publish("orders", b"1")

    answer = await desk.ask(method, path, b"2", headers=headers)

    assert answer.status == 403
    assert "may not ask this broker; -allow-origin lets one in" in value_of(answer)["error"]
    assert answer.body.count(b"\n") == 1
    assert desk.counts() == (1, 0, 0)


@pytest.mark.parametrize("headers", LET_IN)
async def test_programs_and_its_own_pages_are_let_in(headers: dict[str, str]) -> None:
    answer = await Desk(ManualClock()).ask("POST", "/publish/orders", b"1", headers=headers)

    assert answer.status == 201


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_supervisor_may_look_from_anywhere(path: str) -> None:
    headers = {"host": "localhost", "sec-fetch-site": "cross-site", "origin": "null"}

    assert (await Desk(ManualClock()).ask("GET", path, headers=headers)).status == 200


async def test_page_that_an_operator_names_is_let_in() -> None:
    browsers = Browsers((), origins=["https://app.example"])
    headers = {"host": "localhost", "sec-fetch-site": "cross-site"}
    ours = headers | {"origin": "https://app.example"}

    assert await status_of(browsers, ours) == 201
    assert await status_of(browsers, headers | {"origin": "https://app.example:444"}) == 403
    assert await status_of(browsers, headers) == 403


async def test_page_of_a_proxy_that_ends_tls_is_its_own() -> None:
    browsers = Browsers(["queue.example"])
    fields = {b"host": b"queue.example", b"origin": b"https://queue.example"}

    browsers.check(b"queue.example", "http", fields)

    assert browsers.refused == {"host": 0, "origin": 0}


async def test_what_is_refused_is_counted() -> None:
    browsers = Browsers(())

    await status_of(browsers, {"host": "evil.example"})
    await status_of(browsers, {"host": "localhost", "origin": "null"})
    await status_of(browsers, {"host": "localhost", "origin": "null"})

    assert browsers.refused == {"host": 1, "origin": 2}


async def status_of(browsers: Browsers, headers: dict[str, str]) -> int | None:
    desk = Desk(ManualClock())
    desk.door = Door(desk.route, browsers=browsers, on_error=desk.stumble)
    return (await desk.ask("POST", "/publish/orders", b"1", headers=headers)).status
