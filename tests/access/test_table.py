"""Every route of every door, asked by everybody: the table is made from the doors' own routes.

A route that nobody gave a right fails here, and so does a right for no route.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from miniqueue_py.http.access.needs import NATIVE, Needs
from miniqueue_py.http.access.rights import CONSUME, EVERY_TOPIC, PUBLISH, RIGHTS, Right
from miniqueue_py.http.dialects.known import NAMES
from miniqueue_py.http.dialects.zoldyq.sockets import _KINDS
from tests.access.gate import Gate
from tests.dialects.caller import Caller
from tests.http.exchanges import settle

pytestmark = pytest.mark.anyio

TOPIC = "orders"
CORAMQ_BODY = b'{"queueName":"orders"}'


class Cell(NamedTuple):
    """A route, and what it needs."""

    dialect: str
    """The port: empty is the broker's own."""
    method: str
    target: str
    right: Right | None
    """None: to be somebody."""
    topic: str
    is_open: bool = False
    body: bytes = b""
    instead: Right | None = None


async def routes(gate: Gate) -> list[Cell]:
    """Return all that can be asked for, as the doors themselves have it."""
    await gate.doors.load()
    cells = list(_streams(gate))
    apps: dict[str, Any] = {name.decode(): app for name, app in gate.doors._pages._apps.items()}
    assert apps.keys() - {""} == gate.dialects.keys() == set(NAMES)
    cells += _pages("", "", apps[""], NATIVE)
    for name, dialect in gate.dialects.items():
        busy, needs = dialect.busy, dialect.needs
        for verb, (method, right, _) in busy._verbs.items():
            queue = f"queues/{TOPIC}/" if busy._folder else ""
            topic = busy._topic or TOPIC
            for port, folder in (("", f"/{name}/"), (name, "/")):
                target = f"{folder}{queue}{verb.decode()}"
                cells.append(Cell(port, method, target, right, topic))
        cells += _pages("", f"/{name}", apps[name], needs)
        cells += _pages(name, "", apps[name], needs)
    return cells


def _streams(gate: Gate) -> Iterator[Cell]:
    rights = {b"publish": PUBLISH, b"subscribe": CONSUME, b"receive": CONSUME, b"settle": CONSUME}
    folders = gate.doors._streams._folders.keys() - {name.encode() for name in NAMES}
    assert folders == rights.keys()
    for folder, right in rights.items():
        body = b"{}" if folder == b"settle" else b""
        yield Cell("", "POST", f"/{folder.decode()}/{TOPIC}", right, TOPIC, body=body)
    yield Cell("", "POST", f"/publish/{TOPIC}/batch", PUBLISH, TOPIC)
    yield Cell("", "POST", f"/receive/{TOPIC}?wait=1s", CONSUME, TOPIC)


def _pages(port: str, folder: str, app: Any, needs: Needs) -> Iterator[Cell]:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints == needs.keys(), "each page has a line in needs.py, and each line a page"
    for rule in app.url_map.iter_rules():
        need = needs[rule.endpoint]
        target = folder + rule.rule.replace("<segment>", TOPIC)
        topic = need.topic or TOPIC
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            # Those that are somebody's affair only when their body was read.
            is_create = rule.endpoint == "coramq.create"
            right = PUBLISH if is_create else need.right
            body = CORAMQ_BODY if is_create else b"{}" if method == "PUT" else b""
            yield Cell(port, method, target, right, topic, need.is_open, body, need.instead)


async def status_of(gate: Gate, cell: Cell, secret: str | None) -> int:
    exchange = gate.begin(cell.method, cell.target, secret, cell.dialect)
    await exchange.say(cell.body, is_last=True)
    if exchange.request.path.startswith(b"/subscribe") and exchange.is_begun:
        await exchange.leave()
    else:
        while not exchange.is_over:
            await gate.clock.advance(1.0)
            await settle()
    return exchange.status


async def test_every_route_is_asked_by_everybody(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    cells = await routes(gate)
    every = dict.fromkeys(RIGHTS, ("*",))
    expired = await gate.admit("expired", every, gate.clock.now() - 1)
    right_ones = {right: await gate.admit(f"only-{right}", {right: ("*",)}) for right in RIGHTS}
    wrong_ones = {
        wanted: await gate.admit(
            f"not-{i}", {each: ("*",) for each in RIGHTS if each not in wanted}
        )
        for i, wanted in enumerate({(cell.right, cell.instead) for cell in cells})
    }
    elsewhere = await gate.admit("elsewhere", dict.fromkeys(RIGHTS, ("other*",)))
    asked = 0
    for cell in cells:
        strangers = [None, "mq_wrong", right_ones[PUBLISH][:-1], expired]
        # A form that is not of its page is refused, whoever sends it.
        is_form = cell.is_open and cell.method == "POST"
        expected = 403 if is_form else 200 if cell.is_open else 401
        for secret in strangers:
            told = await status_of(gate, cell, secret)
            assert told == expected, (cell, secret)
            asked += 1
        if cell.is_open:
            continue
        assert cell.right is None or await status_of(gate, cell, elsewhere) == 403, cell
        assert (
            cell.right is None
            or await status_of(gate, cell, wrong_ones[cell.right, cell.instead]) == 403
        )
        for right in [each for each in (cell.right or PUBLISH, cell.instead) if each]:
            told = await status_of(gate, cell, right_ones[right])
            assert told not in {401, 403, 500}, (cell, right)
            asked += 1
        asked += 2
    assert not gate.stumbles
    assert len(cells) > 50
    assert asked > 300


async def test_every_websocket_is_asked_for_by_everybody(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    expired = await gate.admit("expired", expires_at=gate.clock.now() - 1)
    for verb, (_, right) in _KINDS.items():
        may = await gate.admit(f"only-{right}", {right: (TOPIC,)})
        lacks = await gate.admit(f"not-{right}", {each: ("*",) for each in RIGHTS if each != right})
        elsewhere = await gate.admit(f"elsewhere-{right}", {right: ("other*",)})
        told = {None: 401, "mq_wrong": 401, expired: 401, lacks: 403, elsewhere: 403, may: 0}
        for secret, status in told.items():
            headers = [] if secret is None else [(b"authorization", b"Bearer " + secret.encode())]
            path = f"/queues/{TOPIC}/{verb.decode()}"
            async with Caller(gate.sockets, path, headers=headers) as caller:
                assert caller.refusal == status, (verb, secret)


async def test_a_path_that_is_none_is_told_to_those_alone_who_are_known(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    known = await gate.admit("known", {})
    await gate.publish("secret", b"x")
    paths = ("/nothing", "/topics/secret/nothing", "/zapq/nothing", "/publish/a/b/c", "/publish/")
    for target in paths:
        assert (await gate.ask("POST", target, None)).status == 401
    assert (await gate.ask("GET", "/nothing/at/all", known)).status == 404
    for topic in ("secret", "not-there"):
        told = await gate.ask("GET", f"/topics/{topic}", known)
        assert told.status == 403
        assert told.body.replace(topic.encode(), b"") == (
            await gate.ask("GET", "/topics/x", known)
        ).body.replace(b"'x'", b"''").replace(b'"x"', b'""')


def test_no_topic_can_be_called_as_all_of_them() -> None:
    assert EVERY_TOPIC == "/"
