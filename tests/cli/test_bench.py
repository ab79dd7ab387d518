import json
from typing import Any
from urllib.error import HTTPError

import pytest

from miniqueue_py.cli.bench import bench
from miniqueue_py.cli.bench_phases import Results
from miniqueue_py.errors import BadSetting
from tests.cli.conftest import Here
from tests.cli.pages import Pages
from tests.cli.terminal import Terminal
from tests.outside.server import RunningBroker

CTRL_C = "\x03"


def test_it_measures_and_deletes_its_topic(miniqueue: Here, pages: Pages, topic: str) -> None:
    done = miniqueue("bench", "--messages", "300", "--json", "--topic", topic)

    assert (done.status, done.err) == (0, "")
    told: dict[str, Any] = json.loads(done.out)
    assert (told["topic"], told["size"], told["complete"]) == (topic, 100, True)
    for phase in ("published", "consumed"):
        assert told[phase]["messages"] == 300
        assert told[phase]["perSecond"] > 0
    assert told["latency"]["messages"] == 300
    assert 0 < told["latency"]["p50Seconds"] <= told["latency"]["p99Seconds"]
    assert is_gone(pages, topic)


def test_people_get_five_facts(miniqueue: Here) -> None:
    done = miniqueue("bench", "--messages", "20", "--size", "2000")

    assert (done.status, done.err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in done.out.decode().splitlines())
    assert list(facts) == ["broker", "message", "published", "consumed", "latency"]
    assert facts["message"] == "2.0K bytes"
    assert "20 messages in" in facts["published"]
    assert facts["latency"].endswith("20 messages, one at a time")


def test_a_topic_that_is_there_is_left_alone(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.publish(topic, b"dear")

    done = miniqueue("bench", "--topic", topic)

    assert done.status in {1, 2}
    assert f"there is a topic {topic!r}" in done.err
    assert pages.bodies(topic) == [b"dear"]


def test_ctrl_c_deletes_the_topic_too(broker: RunningBroker, pages: Pages, topic: str) -> None:
    url = f"https://localhost:{broker.port}"
    words = ["--messages", "10000000", "--topic", topic, "--url", url, "--ca", str(broker.ca)]
    with Terminal(["bench", *words]) as terminal:
        terminal.wait_for("publishing", " left")

        terminal.press(CTRL_C)

        assert terminal.wait() == 130
    assert is_gone(pages, topic)


def test_at_the_limit_it_tells_what_it_has(miniqueue: Here, pages: Pages, topic: str) -> None:
    done = miniqueue(
        *("bench", "--messages", "10000000", "--limit", "200ms", "--json", "--topic", topic)
    )

    assert done.status == 1
    assert done.err == "miniqueue: stopped after 0.2 s; --limit allows more\n"
    told = json.loads(done.out)
    assert told["complete"] is False
    assert told["published"]["messages"] < 10_000_000
    assert told["latency"] == {"messages": 0, "p50Seconds": None, "p99Seconds": None}
    assert is_gone(pages, topic)


def test_a_number_below_zero_is_one_that_is_too_small() -> None:
    with pytest.raises(BadSetting, match="bench: --size: -1 is not from 1 to"):
        bench(["--size", "-1"])


@pytest.mark.parametrize(
    "words",
    [
        ["--messages", "0"],
        ["--credit", "10001"],
        ["--messages", "10000000", "--size", "1000"],
        ["--limit", "0"],
        ["--limit", "2h"],
        ["orders"],
    ],
)
def test_what_is_too_much_is_refused(words: list[str]) -> None:
    with pytest.raises(BadSetting, match="bench"):
        bench(words)


def test_a_percentile_is_one_of_the_latencies() -> None:
    results = Results(latencies=[0.003, 0.001, 0.002])

    assert (results.latency(0.0), results.latency(0.5), results.latency(1.0)) == (
        *(0.001, 0.002, 0.003),
    )


def is_gone(pages: Pages, topic: str) -> bool:
    try:
        pages.topic(topic)
    except HTTPError as error:
        with error:
            return error.code == 404
    return False
