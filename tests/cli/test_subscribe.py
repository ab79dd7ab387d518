"""Messages are printed as they are, acknowledged when they are out, and else left alone."""

import json
from base64 import b64decode

import pytest

from tests.cli.conftest import Here
from tests.cli.pages import Pages

ANY_BYTES = bytes(range(256)) + b"\n\nend"


def test_bodies_come_one_on_a_line_until_the_topic_is_empty(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one", b"", b"three \xff")

    done = miniqueue("subscribe", topic)

    assert done == (0, b"one\n\nthree \xff\n", "")
    assert pages.topic(topic)["acknowledged"] == 3
    assert pages.topic(topic)["inFlight"] == 0


def test_raw_bodies_have_nothing_in_between(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.publish(topic, ANY_BYTES, b"", b"more")

    assert miniqueue("subscribe", topic, "--raw").out == ANY_BYTES + b"more"


def test_json_lines_are_those_of_the_wire(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.publish(topic, b"plain")
    pages.publish(topic, ANY_BYTES, query="?priority=9")
    waiting = pages.waiting(topic)

    done = miniqueue("subscribe", topic, "--json")

    told = [json.loads(line) for line in done.lines]
    assert [message | {"id": number} for number, message in enumerate(waiting, 1)] == told
    assert b64decode(told[0]["msg"]) == ANY_BYTES


@pytest.mark.parametrize("count", [1, 3, 5])
def test_no_more_are_taken_than_were_asked_for(
    miniqueue: Here, pages: Pages, topic: str, count: int
) -> None:
    bodies = [b"%d" % number for number in range(4)]
    pages.publish(topic, *bodies)

    done = miniqueue("subscribe", topic, "-n", str(count))

    assert done.lines == bodies[:count]
    assert pages.bodies(topic) == bodies[count:]
    assert pages.topic(topic)["inFlight"] == 0


def test_what_was_not_printed_has_lost_no_attempt(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.set_policy(topic, maxDeliveries=2)
    pages.publish(topic, b"one", b"two", b"three")

    miniqueue("subscribe", topic, "-n", "1")

    assert [each["attempt"] for each in pages.waiting(topic)] == [1, 1]


def test_peeking_changes_nothing(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.publish(topic, b"one", ANY_BYTES)
    before = pages.topic(topic)

    shown = [miniqueue("subscribe", topic, "--peek", *form) for form in ([], ["--raw"], ["--json"])]

    assert shown[0] == (0, b"one\n" + ANY_BYTES + b"\n", "")
    assert shown[1].out == b"one" + ANY_BYTES
    assert [json.loads(line) for line in shown[2].lines] == pages.waiting(topic)
    after = pages.topic(topic)
    assert after | {"oldestAgeSeconds": 0} == before | {"oldestAgeSeconds": 0}


def test_peeking_shows_a_dead_letter_with_all_that_is_known(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.set_policy(topic, maxDeliveries=1)
    pages.publish(topic, b"one", query="?priority=7")
    pages.kill_one(topic)

    done = miniqueue("subscribe", f"{topic}.dead", "--peek", "--json")

    assert [json.loads(line) for line in done.lines] == pages.waiting(f"{topic}.dead")


def test_peeking_says_how_many_more_there_are(miniqueue: Here, pages: Pages, topic: str) -> None:
    large = bytes(600_000)
    pages.publish(topic, large, large, large)

    done = miniqueue("subscribe", topic, "--peek", "--raw")

    assert done.err == "miniqueue: shown are 2 of 3\n"
    assert miniqueue("subscribe", topic, "--peek", "-n", "1", "--raw").err == ""


@pytest.mark.parametrize("words", [[], ["-n", "1000"], ["-n", "5000"]])
def test_peeking_says_how_many_are_behind_a_full_page(
    miniqueue: Here, pages: Pages, topic: str, words: list[str]
) -> None:
    miniqueue("publish", topic, "--lines", stdin=b"line\n" * 1000)
    assert miniqueue("subscribe", topic, "--peek", *words).err == ""

    pages.publish(topic, b"1000")
    done = miniqueue("subscribe", topic, "--peek", *words)

    assert len(done.lines) == 1000
    assert done.err == "miniqueue: shown are 1000 of 1001\n"


@pytest.mark.parametrize("words", [[], ["--peek"]])
def test_a_topic_that_is_not_there_is_told(miniqueue: Here, topic: str, words: list[str]) -> None:
    done = miniqueue("subscribe", topic, *words)

    assert done.status == 1
    assert done.err.startswith(f"miniqueue: there is no topic '{topic}'")


def test_a_paused_topic_is_told_and_not_waited_for(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one")
    miniqueue("pause", topic)

    done = miniqueue("subscribe", topic)

    assert done == (
        1,
        b"",
        f"miniqueue: {topic} is paused, with 1 ready; `miniqueue resume {topic}` lets it go on\n",
    )


def test_what_is_delayed_is_not_waited_for(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.publish(topic, b"now")
    pages.publish(topic, b"later", query="?delay=1h")

    assert miniqueue("subscribe", topic).out == b"now\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--peek", "--follow"], "--peek only looks"),
        (["--peek", "--ack"], "--ack: not allowed with argument --peek"),
        (["--raw", "--json"], "--json: not allowed with argument --raw"),
        (["-n", "0"], "-n: 0 is not from 1 to"),
        (["-n", "-1"], "-n: -1 is not from 1 to"),
        (["-n", "1.5"], "-n: '1.5' is not a whole number"),
        (["-n", "-"], "-n: '-' is not a whole number"),
    ],
)
def test_what_contradicts_itself_takes_nothing(
    miniqueue: Here, pages: Pages, topic: str, words: list[str], problem: str
) -> None:
    pages.publish(topic, b"one")

    done = miniqueue("subscribe", topic, *words)

    assert done.status == 2
    assert done.err.startswith(f"miniqueue: subscribe: {problem}")
    assert pages.topic(topic)["delivered"] == 0


def test_what_is_delayed_is_told_when_nothing_else_is_there(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"now")
    pages.publish(topic, b"1", b"2", b"3", query="?delay=1h")

    done = miniqueue("subscribe", topic)

    told = "miniqueue: 3 delayed, not waited for; --follow waits\n"
    assert done == (0, b"now\n", told)
