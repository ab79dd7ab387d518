"""Type checkers see of the public names what a reader expects, and the examples pass them.

Each `reveal_type` below has behind it what mypy and pyright must say, without
the modules that the names come from. basedpyright is pyright as a package that
brings all it needs.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0

PROGRAM = """
from miniqueue_py import Client, Delivery, DeliveryLost, SyncClient, SyncDelivery


async def awaiting() -> None:
    async with Client("https://localhost:8080", ca="certs/ca.pem") as queue:
        reveal_type(queue)  # Client
        reveal_type(await queue.publish("emails", b"hello"))  # Receipt
        reveal_type((await queue.publish("emails", "text")).message_id)  # str

        async with queue.publisher("emails", priority=5) as publisher:
            reveal_type(publisher)  # Publisher
            reveal_type(publisher.send("hello"))  # Coroutine[Any, Any, None]
            reveal_type(publisher.confirmed)  # int

        async with queue.subscribe("emails", credit=100, lease=30) as deliveries:
            reveal_type(deliveries)  # Subscription
            reveal_type(await deliveries.receive())  # Delivery
            reveal_type(await deliveries.receive_many(10))  # list[Delivery]
            reveal_type(deliveries.receive_nowait())  # Delivery | None
            async for delivery in deliveries:
                reveal_type(delivery)  # Delivery
                reveal_type(delivery.ack())  # Coroutine[Any, Any, None]
                reveal_type(delivery.dack(5))  # Coroutine[Any, Any, None]

        async for topic in queue.topics():
            reveal_type(topic)  # Topic
        reveal_type(await queue.topic("emails"))  # Topic
        reveal_type(await queue.set_policy("emails", {"lease": "5m"}))  # Topic
        reveal_type(await queue.redrive("emails.dead"))  # int
        reveal_type(await queue.peek("emails"))  # list[Message]


def not_awaiting() -> None:
    with SyncClient("https://localhost:8080", ca="certs/ca.pem") as queue:
        reveal_type(queue)  # SyncClient
        reveal_type(queue.publish("emails", b"hello"))  # Receipt

        with queue.publisher("emails") as publisher:
            reveal_type(publisher)  # SyncPublisher
            reveal_type(publisher.send("hello"))  # None

        with queue.subscribe("emails") as deliveries:
            reveal_type(deliveries)  # SyncSubscription
            reveal_type(deliveries.receive())  # SyncDelivery
            reveal_type(deliveries.receive(timeout=1))  # SyncDelivery | None
            for delivery in deliveries:
                reveal_type(delivery)  # SyncDelivery
                reveal_type(delivery.ack())  # None

        for topic in queue.topics():
            reveal_type(topic)  # Topic
        reveal_type(queue.peek("emails"))  # list[Message]
    reveal_type(SyncClient().open())  # SyncClient


def facts(delivery: Delivery, sync: SyncDelivery, error: DeliveryLost) -> None:
    for each in (delivery, sync):
        reveal_type(each.body)  # bytes
        reveal_type(each.text)  # str
        reveal_type(each.attempt)  # int
        reveal_type(each.published_at)  # datetime | None
        reveal_type(each.origin)  # Origin | None
        reveal_type(each.is_settled)  # bool
"""

EXPECTED = {
    number: line.rsplit("  # ", 1)[1]
    for number, line in enumerate(PROGRAM.splitlines(), start=1)
    if "reveal_type" in line
}

MODULES = re.compile(r"\b(?:\w+\.)+(?=\w)")
OF_MYPY = re.compile(r'^[^:]+:(\d+): note: Revealed type is "(.*)"$', re.MULTILINE)
OF_PYRIGHT = re.compile(r'^Type of ".*" is "(.*)"$', re.DOTALL)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_mypy_sees_what_a_reader_expects(program: Path) -> None:
    # A coroutine that is only shown is no mistake here.
    told = checked("mypy", "--strict", "--disable-error-code=unused-coroutine", str(program))

    seen = {int(line): without_modules(kind) for line, kind in OF_MYPY.findall(told)}
    assert "error:" not in told, told
    assert seen == EXPECTED


def test_pyright_sees_what_a_reader_expects(program: Path) -> None:
    problems, seen = pyright(str(program))

    assert problems == []
    assert seen == EXPECTED


def test_pyright_finds_nothing_in_the_examples() -> None:
    problems, _ = pyright()

    assert problems == []


def pyright(*arguments: str) -> tuple[list[str], Mapping[int, str]]:
    """What is wrong, and what was revealed in each line; without files, those of the project."""
    if find_spec("basedpyright") is None:
        assert "CI" not in os.environ, "basedpyright is not installed"
        pytest.skip("basedpyright is not installed")
    told = checked("basedpyright", "--outputjson", "--pythonpath", sys.executable, *arguments)
    problems: list[str] = []
    seen: dict[int, str] = {}
    for each in json.loads(told)["generalDiagnostics"]:
        line = each["range"]["start"]["line"] + 1
        revealed = OF_PYRIGHT.fullmatch(each["message"])
        if revealed is None:
            problems.append(f"{each['file']}:{line}: {each['message']}")
        else:
            seen[line] = without_modules(revealed[1]).replace("CoroutineType[", "Coroutine[")
    return problems, seen


def checked(tool: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.stdout


def without_modules(kind: str) -> str:
    return MODULES.sub("", kind)
