"""Whom a request is for: a name that somebody else made is no way in (DNS rebinding)."""

import pytest

from miniqueue_py.errors import UnknownHost
from miniqueue_py.http.browsers import Browsers
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk, value_of

pytestmark = pytest.mark.anyio

UNKNOWN = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "evillocalhost",
    "a.b.localhost",
    "user@localhost",
    "localhost/",
    "localhost:8080:8080",
    "127.0.0.1.nip.io",
    "[127.0.0.1",
    "2130706433",
    "a..b",
    ".",
    "..",
    ":8080",
    f"{'x' * 64}.example",
    f"{'x' * 5000}",
]
PATHS = [
    ("POST", "/publish/orders"),
    ("POST", "/receive/orders"),
    ("GET", "/topics"),
    ("GET", "/topics/orders"),
    ("POST", "/topics/orders/purge"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/nowhere"),
    ("DELETE", "/orders"),
    ("DELETE", "/healthz"),
]


@pytest.mark.parametrize("host", UNKNOWN)
@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_host_that_the_broker_is_not_is_refused_in_one_line(
    method: str, path: str, host: str
) -> None:
    desk = Desk(ManualClock())
    await desk.publish("orders", b"1")

    answer = await desk.ask(method, path, headers={"host": host})

    assert answer.status == 421
    assert value_of(answer)["error"].startswith("this broker is not ")
    assert answer.body.count(b"\n") == 1
    assert desk.counts() == (1, 0, 0)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", UNKNOWN)
async def test_supervisor_is_answered_whatever_its_host(path: str, host: str) -> None:
    answer = await Desk(ManualClock()).ask("GET", path, headers={"host": host})

    assert answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LocalHost.:8080",
        "queue.localhost",
        "127.0.0.1:8080",
        "10.0.0.1",
        "[::1]:8080",
        "[2001:db8::7]",
        "queue.example",
        "Queue.Example.:443",
        "one.queues.example",
    ],
)
def test_its_names_and_every_address_are_the_brokers(host: str) -> None:
    browsers = Browsers(["queue.example", "*.queues.example"])

    browsers.check(host.encode(), "https", {})

    assert host.encode() in browsers.known_hosts


@pytest.mark.parametrize("host", ["queues.example", "a.b.queues.example", "xqueue.example"])
def test_a_star_stands_for_one_label(host: str) -> None:
    with pytest.raises(UnknownHost):
        Browsers(["queue.example", "*.queues.example"]).check(host.encode(), "https", {})


def test_names_of_a_new_certificate_take_the_place_of_the_old() -> None:
    browsers = Browsers(["old.example"])
    browsers.check(b"old.example", "https", {})

    browsers.set_names(["new.example"])

    browsers.check(b"new.example", "https", {})
    with pytest.raises(UnknownHost):
        browsers.check(b"old.example", "https", {})


def test_so_many_spellings_are_remembered_and_no_more() -> None:
    browsers = Browsers(())

    for port in range(5000):
        browsers.check(b"localhost:%d" % port, "https", {})

    assert len(browsers.known_hosts) == 1000
