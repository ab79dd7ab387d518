"""What operators do to topics, in words and in JSON."""

import json
import re

from tests.cli.conftest import Here
from tests.cli.pages import Pages


def test_topics_are_listed_in_columns_or_as_json_or_by_name(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one", b"x" * 2000)

    rows = miniqueue("topics").out.decode().splitlines()
    told = [json.loads(line) for line in miniqueue("topics", "--json").lines]
    names = miniqueue("topics", "--names").out.decode().splitlines()

    assert re.split(" {2,}", rows[0]) == [
        "topic", "ready", "in flight", "delayed", "consumers", "size", "oldest",
    ]  # fmt: skip
    (row,) = [row.split() for row in rows if row.startswith(f"{topic} ")]
    assert row[:6] == [topic, "2", "0", "0", "0", "2.0K"]
    (ours,) = [each for each in told if each["name"] == topic]
    assert ours | {"oldestAgeSeconds": 0} == pages.topic(topic) | {"oldestAgeSeconds": 0}
    assert names == [each["name"] for each in told] == sorted(names)


def test_stats_tell_everything_of_one_topic(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.set_policy(topic, maxDeliveries=3)
    pages.publish(topic, b"one")
    pages.kill_one(topic)

    words = miniqueue("stats", topic).out.decode()
    told = json.loads(miniqueue("stats", topic, "--json").out)

    facts = dict(re.split(" {2,}", line, maxsplit=1) for line in words.splitlines())
    assert facts["topic"] == topic
    assert (facts["ready"], facts["dead-lettered"]) == ("0", "1")
    assert facts["dead letters to"] == f"{topic}.dead"
    assert facts["policy"] == "maxDeliveries 3, dedupeWindow 300"
    assert told == pages.topic(topic)


def test_a_paused_topic_says_so_until_it_is_resumed(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one")

    paused = miniqueue("pause", topic)
    row = next(row for row in miniqueue("topics").lines if row.startswith(topic.encode()))
    resumed = miniqueue("resume", topic, "--json")

    assert paused == (0, b"paused; ready: 1, in flight: 0\n", "")
    assert row.endswith(b"  paused")
    assert json.loads(resumed.out)["paused"] is False


def test_dead_letters_are_sent_back_all_or_some(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.publish(topic, b"one", b"two", b"three")
    for _ in range(3):
        pages.kill_one(topic)

    some = miniqueue("redrive", f"{topic}.dead", "--most", "1", "--json")
    rest = miniqueue("redrive", f"{topic}.dead")

    assert json.loads(some.out) == {"redriven": 1}
    assert rest == (0, b"sent back: 2\n", "")
    assert pages.bodies(topic) == [b"one", b"two", b"three"]


def test_who_redrives_the_wrong_topic_is_told_the_right_one(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one")

    done = miniqueue("redrive", topic)

    assert done.status == 0
    assert done.err == f"miniqueue: {topic} holds no dead letters; its own are in {topic}.dead\n"


def test_a_script_has_to_say_that_it_means_to_purge(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one")

    asked = miniqueue("purge", topic)
    assert asked.status == 2
    assert asked.err == (
        "miniqueue: purge: there is no terminal to ask on; --yes removes without asking\n"
    )
    assert pages.bodies(topic) == [b"one"]

    meant = miniqueue("purge", topic, "--yes", "--json")
    assert json.loads(meant.out) == {"purged": topic}
    assert topic.encode() not in miniqueue("topics", "--names").lines


def test_a_topic_that_is_not_there_fails_in_one_line(miniqueue: Here, topic: str) -> None:
    for words in (["stats"], ["pause"], ["resume"], ["redrive"], ["purge", "--yes"]):
        done = miniqueue(*words, topic)

        assert done.status == 1
        assert done.err == (
            f"miniqueue: there is no topic '{topic}'; the first publish to it, or a policy, "
            "makes one\n"
        )


def test_a_name_that_steers_terminals_is_shown_and_not_obeyed(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    name = f"{topic}\u202etxt"
    pages.publish(name, b"one")

    assert f"{topic}\\u202etxt " in miniqueue("topics").out.decode()
    assert f"topic            {topic}\\u202etxt\n" in miniqueue("stats", name).out.decode()
    miniqueue("purge", name, "--yes")
