"""A Host that is no name is the client's mistake: 400, and no fault of the broker."""

import pytest

from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk, value_of

pytestmark = pytest.mark.anyio

BAD = [
    "a..b",
    ".",
    "..",
    ".a",
    f"{'x' * 64}.example",
    f"{'x' * 64}:8080",
    f"{'x' * 5000}",
    "a..b:1",
]
PATHS = [
    ("GET", "/topics"),
    ("GET", "/topics/orders"),
    ("POST", "/topics/orders/purge"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/nowhere"),
    ("DELETE", "/orders"),
]


@pytest.mark.parametrize("host", BAD)
@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_host_that_is_no_name_is_refused_in_one_line_on_every_page(
    method: str, path: str, host: str
) -> None:
    desk = Desk(ManualClock())
    await desk.publish("orders", b"1")

    answer = await desk.ask(method, path, headers={"host": host})

    assert answer.status == 400
    assert value_of(answer)["error"].startswith("the Host of the request is no name")
    assert answer.body.count(b"\n") == 1
    assert desk.counts() == (1, 0, 0)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", BAD)
async def test_supervisor_is_answered_whatever_its_host(path: str, host: str) -> None:
    answer = await Desk(ManualClock()).ask("GET", path, headers={"host": host})

    assert answer.status == 200


@pytest.mark.parametrize("host", ["localhost:8080", "a.", "x" * 63, "[::1]:8080", "10.0.0.1"])
async def test_host_that_is_one_is_served(host: str) -> None:
    answer = await Desk(ManualClock()).ask("GET", "/topics", headers={"host": host})

    assert answer.status == 200
