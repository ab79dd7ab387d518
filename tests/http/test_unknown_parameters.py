"""A parameter that a page does not know is refused, so that no misspelled filter moves all."""

import pytest

from miniqueue_py.http.pages.openapi.document import document
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk

pytestmark = pytest.mark.anyio

OF_MINIQUEUE = {("POST", "/publish/{topic}"), ("DELETE", "/{topic}")}
PAGES = [
    (method.upper(), path, [each["name"] for each in page.get("parameters", ())])
    for path, methods in document()["paths"].items()
    for method, page in methods.items()
    if method != "parameters"
]
STRICT = [
    each
    for each in PAGES
    if each[:2] not in OF_MINIQUEUE and not (each[0] == "DELETE" and each[1].count("/") == 1)
]


@pytest.fixture
def desk() -> Desk:
    return Desk(ManualClock())


def test_pages_are_found() -> None:
    assert ("POST", "/topics/{topic}/redrive") in [each[:2] for each in STRICT]
    assert ("POST", "/receive/{topic}") in [each[:2] for each in STRICT]


@pytest.mark.parametrize(("method", "path", "known"), STRICT)
async def test_unknown_parameter_is_refused_on_every_page_and_named(
    desk: Desk, method: str, path: str, known: list[str]
) -> None:
    await desk.publish("orders", b"1")

    status, error = await desk.refusal(method, path.format(topic="orders") + "?maxx=1", b"{}")

    assert status == 400
    assert error.startswith("'maxx' is an unknown parameter; ")
    assert all(name in error for name in known)
    assert ("no parameters" in error) == (not known)


async def test_misspelled_filter_moves_and_removes_nothing(desk: Desk) -> None:
    await desk.bury("orders", b"1", b"2")
    for method, path in (
        ("POST", "/topics/orders.dead/redrive?idd=1-1"),
        ("POST", "/topics/orders.dead/redrive?ID=1-1"),
        ("POST", "/topics/orders.dead/redrive?%69d=1-1&i%64s=1-1"),
        ("DELETE", "/topics/orders.dead?id=1-1"),
        ("POST", "/receive/orders.dead?most=1"),
        ("POST", "/topics/orders.dead/pause?for=1m"),
    ):
        assert (await desk.refusal(method, path))[0] == 400

    assert desk.counts("orders.dead") == (2, 0, 0)
    assert not (await desk.value("GET", "/topics/orders.dead"))["paused"]


@pytest.mark.parametrize("path", ["/publish/orders/batch", "/settle/orders"])
async def test_unknown_parameter_is_refused_on_our_hot_paths(desk: Desk, path: str) -> None:
    status, error = await desk.refusal("POST", f"{path}?priorty=9", b"{}")

    assert status == 400
    assert error.startswith("'priorty' is an unknown parameter")
    assert desk.administration.topics() == []


async def test_batch_takes_the_parameters_it_knows(desk: Desk) -> None:
    answer = await desk.ask("POST", "/publish/orders/batch?priority=9&delay=1s&ttl=1h", b"1\n")

    assert answer.status == 200
    assert desk.counts() == (0, 0, 1)


@pytest.mark.parametrize("query", ["verbose=1&verbose=2", "%FF=%FF", "\xff", "&&", "a"])
async def test_what_clients_of_miniqueue_ask_for_is_done_whatever_their_query(
    desk: Desk, query: str
) -> None:
    assert (await desk.ask("POST", f"/publish/orders?{query}", b"1")).status == 201
    assert (await desk.ask("DELETE", f"/orders?{query}")).status == 200


@pytest.mark.parametrize("name", ["%FF", "\xff", "%00", "%E2%80%AE", "x" * 5000, "="])
async def test_name_that_is_told_is_legible_and_short(desk: Desk, name: str) -> None:
    status, error = await desk.refusal("GET", f"/topics?{name}=1")

    assert status == 400
    assert error.isascii()
    assert error.isprintable()
    assert len(error) < 400
