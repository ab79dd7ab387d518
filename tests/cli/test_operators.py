"""What operators do to topics, in words and in JSON."""

import json
import re

import pytest

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


def test_dead_letters_are_chosen_by_id_reason_and_age(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one", b"two", b"three")
    for _ in range(3):
        pages.kill_one(topic)
    dead = f"{topic}.dead"
    ids = [each["messageId"] for each in pages.waiting(dead)]

    none = miniqueue("redrive", dead, "--older-than", "1h", "--reason", "DEAD")
    two = miniqueue("redrive", dead, "--id", ids[2], "--id", ids[0])
    wrong = miniqueue("redrive", dead, "--id", "7")

    assert none == (0, b"sent back: 0\n", f"miniqueue: {dead} holds no such dead letters\n")
    assert two == (0, b"sent back: 2\n", "")
    assert wrong.status == 2
    assert wrong.err.startswith("miniqueue: id is not a message's id")
    assert pages.bodies(topic) == [b"one", b"three"]


def test_who_redrives_the_wrong_topic_is_told_the_right_one(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one")

    done = miniqueue("redrive", topic)

    assert done.status == 0
    assert done.err == f"miniqueue: {topic} holds no dead letters; its own are in {topic}.dead\n"


@pytest.mark.parametrize("command", ["purge", "delete"])
def test_a_script_has_to_say_that_it_means_to_remove(
    miniqueue: Here, pages: Pages, topic: str, command: str
) -> None:
    pages.publish(topic, b"one")

    asked = miniqueue(command, topic)
    assert asked.status == 2
    assert asked.err == (
        f"miniqueue: {command}: there is no terminal to ask on; --yes removes without asking\n"
    )
    assert pages.bodies(topic) == [b"one"]

    meant = miniqueue(command, topic, "--yes", "--json")
    assert json.loads(meant.out) == {f"{command}d": topic}
    assert (topic in pages.names()) == (command == "purge")


def test_purge_keeps_the_policy_and_delete_does_not(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.set_policy(topic, maxDeliveries=7)
    pages.publish(topic, b"one")

    assert miniqueue("purge", topic, "--yes").status == 0
    purged = pages.topic(topic)
    assert miniqueue("delete", topic, "--yes").status == 0

    assert (purged["ready"], purged["policy"]["maxDeliveries"]) == (0, 7)
    assert topic not in pages.names()


def test_a_topic_that_is_not_there_fails_in_one_line(miniqueue: Here, topic: str) -> None:
    for words in (
        ["stats"],
        ["pause"],
        ["resume"],
        ["redrive"],
        ["purge", "--yes"],
        ["delete", "--yes"],
    ):
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
    miniqueue("delete", name, "--yes")


def test_policy_changes_the_fields_that_are_said_and_shows_all(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.set_policy(topic, lease=7, maxMessages=9)

    changed = miniqueue("policy", topic, "--max-deliveries", "5", "--lease", "1m30s", "--json")
    backoff = miniqueue("policy", topic, "--backoff", '{"initial":2}', "--max-messages", "none")
    shown = miniqueue("policy", topic)
    wrong = miniqueue("policy", topic, "--max-deliveries", "five")

    told = json.loads(changed.out)
    assert (told["lease"], told["maxDeliveries"], told["maxMessages"]) == (90, 5, 9)
    assert backoff.out == shown.out
    policy = pages.topic(topic)["policy"]
    assert (policy["backoff"]["initial"], policy["maxMessages"], policy["lease"]) == (2, None, 90)
    assert "maxMessages     none" in shown.out.decode().splitlines()
    assert (wrong.status, wrong.out) == (2, b"")
    assert "maxDeliveries" in wrong.err
    assert pages.topic(topic)["policy"] == policy


def test_policy_makes_a_topic_and_does_not_when_it_only_shows(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    assert miniqueue("policy", topic).status == 1
    assert topic not in pages.names()

    assert miniqueue("policy", topic, "--ttl", "1h").status == 0
    assert pages.topic(topic)["policy"]["ttl"] == 3600


def test_peek_prints_what_is_in_a_state_and_takes_nothing(
    miniqueue: Here, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"now")
    pages.publish(topic, b"later", query="?delay=1h")

    ready, delayed = miniqueue("peek", topic), miniqueue("peek", topic, "--state", "delayed")
    told = json.loads(miniqueue("peek", topic, "--state", "delayed", "--json").out)

    assert ready == (0, b"now\n", "")
    assert delayed == (0, b"later\n", "")
    assert told["dueAt"] - told["publishedAt"] == pytest.approx(3_600_000, abs=1000)
    assert pages.bodies(topic) == [b"now"]
