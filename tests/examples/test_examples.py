"""The examples do what they say, as programs of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from miniqueue_py import SyncClient
from tests.client.sync.waiting import take, wait_counts
from tests.examples.running import PATIENCE, Example
from tests.outside.curl import find_curl
from tests.outside.server import PROJECT

EXAMPLES = sorted(path.name for path in (PROJECT / "examples").iterdir() if path.is_file())
LONGEST = 59


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_a_screen_and_goes_where_it_is_told(name: str) -> None:
    text = (PROJECT / "examples" / name).read_text()

    assert len(text.splitlines()) <= LONGEST
    assert "--url" in text
    assert "--ca" in text


def test_echo_prints_what_is_typed(where: tuple[str, ...], topic: str) -> None:
    with Example("echo.py", *where, "--topic", topic) as echo:
        for line in ("hello", "", "Grüße"):
            echo.type(line)
            assert echo.wait_printed() == line
        echo.end_typing()

        assert echo.wait() == []


def test_the_benchmark_counts_a_second_and_cleans_up(
    where: tuple[str, ...], sync_queue: SyncClient
) -> None:
    with Example("consume_benchmark.py", *where, "--messages", "2000") as benchmark:
        published, consumed = benchmark.wait()

    assert re.fullmatch(r"published 2,000 messages in [\d.]+ s: [\d,]+/s", published)
    assert re.fullmatch(r"consumed 2,000 messages in [\d.]+ s: [\d,]+/s", consumed)
    assert not [each for each in sync_queue.topics() if each.name.startswith("benchmark-")]


def test_curl_publishes_and_subscribes(where: tuple[str, ...], topic: str) -> None:
    find_curl()
    with Example("curl.sh", *where, "--topic", topic) as curl:
        printed = curl.wait()

    bodies = ["call back", "send the bill", "one", "two", "three"]
    assert printed == ['{"published":3}', *bodies, '"ready":0']


def test_the_service_publishes_what_is_posted(
    where: tuple[str, ...], sync_queue: SyncClient
) -> None:
    with Example("fastapi_producer.py", *where, "--port", "0") as service:
        line = service.wait_complained("Uvicorn running on")
        address = line.split(" on ")[1].split()[0]
        answers = [post(f"{address}/emails", {"to": "ann@example.org"}) for _ in range(2)]
        service.interrupt()
        service.wait_complained("Application shutdown complete")

    assert answers[0] == answers[1]
    (body,) = take(sync_queue, "emails", 1)
    assert json.loads(body) == {"to": "ann@example.org", "subject": ""}
    assert sync_queue.topic("emails").ready == 0


def post(address: str, value: object) -> object:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "email-1"}
    request = Request(address, json.dumps(value).encode(), headers)  # noqa: S310  our own
    with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  our own
        return json.load(answer)


def test_the_consumer_on_trio_handles_and_leaves_by_ctrl_c(
    where: tuple[str, ...], sync_queue: SyncClient, topic: str
) -> None:
    bodies: list[str | bytes] = ["one", "two", b"\xff"]
    with sync_queue.publisher(topic) as publisher:
        publisher.send_many(bodies)

    with Example("trio_consumer.py", *where, "--topic", topic) as consumer:
        printed = sorted(consumer.wait_printed() for _ in bodies)
        wait_counts(sync_queue, topic, acknowledged=2, delayed=1, in_flight=0)
        consumer.interrupt()
        last = consumer.wait()

    assert "UnicodeDecodeError" in printed[0]
    assert printed[1:] == ["one", "two"]
    assert last == ["left; what was in flight went back"]
    wait_counts(sync_queue, topic, consumers=0)


def test_a_file_of_lines_is_loaded(
    where: tuple[str, ...], sync_queue: SyncClient, topic: str, tmp_path: Path
) -> None:
    lines = [f"line {number}".encode() for number in range(3000)]
    file = tmp_path / "lines.txt"
    file.write_bytes(b"\r\n".join(lines))

    with Example("bulk_load.py", str(file), *where, "--topic", topic) as load:
        printed = load.wait()

    assert printed == [f"3,000 messages are stored in {topic!r}"]
    assert take(sync_queue, topic, len(lines)) == lines


def test_a_csv_file_is_loaded_as_json(
    where: tuple[str, ...], sync_queue: SyncClient, topic: str, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text('name,says\nAnn,"two\nlines"\nBob,Grüße\n')

    with Example("bulk_load.py", str(file), *where, "--topic", topic) as load:
        load.wait()

    rows = [json.loads(body) for body in take(sync_queue, topic, 2)]
    assert rows == [{"name": "Ann", "says": "two\nlines"}, {"name": "Bob", "says": "Grüße"}]


def test_loading_shows_its_progress_on_a_terminal(
    where: tuple[str, ...], topic: str, tmp_path: Path
) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("a\nb\n")
    terminal, for_the_program = os.openpty()
    command = [sys.executable, "examples/bulk_load.py", str(file), *where, "--topic", topic]

    subprocess.run(command, cwd=PROJECT, stderr=for_the_program, timeout=PATIENCE, check=True)
    os.close(for_the_program)
    with os.fdopen(terminal, "rb") as screen:
        shown = os.read(screen.fileno(), 1000)

    assert shown == b"\r100%  2 sent, 2 confirmed\r\n"
