"""Commands in pipelines and under signals: nothing is lost, and nothing is left in flight."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import PATIENCE, Commands, finish
from tests.cli.conftest import Here
from tests.cli.pages import Pages
from tests.client.proxy import Proxy
from tests.outside.server import RunningBroker

MANY = 20_000


def test_lines_keep_their_order_through_stdin_and_stdout(
    commands: Commands, pages: Pages, topic: str
) -> None:
    done = commands.in_shell(
        f"seq 1 {MANY} | miniqueue publish {topic} --lines && miniqueue subscribe {topic} > out\n"
        f"seq 1 {MANY} | cmp - out"
    )

    assert done == (0, b"", "")
    assert pages.topic(topic)["acknowledged"] == MANY


def test_a_topic_is_moved_to_another_by_a_pipe(
    commands: Commands, miniqueue: Here, pages: Pages, topic: str
) -> None:
    bodies = [bytes(range(256)), b"", b"line\nline\n"]
    pages.publish(topic, *bodies)
    lines = b"".join(b"%d\n" % number for number in range(MANY))
    miniqueue("publish", topic, "--lines", stdin=lines)
    pages.publish(topic, b"urgent", query="?priority=9")

    source = commands.start("subscribe", topic, "--json", stdin=subprocess.DEVNULL)
    goal = commands.start("publish", f"{topic}-2", "--lines", "--json", stdin=source.stdout)
    assert finish(goal) == (0, b'{"published":%d}\n' % (MANY + 4), "")

    assert source.wait() == 0
    moved = pages.waiting(f"{topic}-2")
    assert moved[0]["priority"] == 9
    assert pages.bodies(f"{topic}-2")[1:4] == bodies
    assert miniqueue("subscribe", f"{topic}-2", "--raw").out == b"urgent" + b"".join(
        [*bodies, lines.replace(b"\n", b"")]
    )
    assert pages.topic(topic)["ready"] == pages.topic(topic)["inFlight"] == 0


def test_who_follows_gets_each_message_as_it_is_published(
    commands: Commands, pages: Pages, topic: str
) -> None:
    follower = commands.start("subscribe", topic, "--follow", "-n", "2")
    assert follower.stdout is not None

    pages.publish(topic, b"one")
    assert follower.stdout.readline() == b"one\n"
    pages.publish(topic, b"two", b"three")

    assert finish(follower) == (0, b"two\n", "")
    assert pages.bodies(topic) == [b"three"]


def test_who_follows_is_told_of_an_outage_and_of_its_end(
    commands: Commands, pages: Pages, broker: RunningBroker, topic: str
) -> None:
    pages.publish(topic, b"one")
    with Proxy(broker.port) as proxy:
        follower = commands.start("subscribe", topic, "--follow", "-n", "2", "--url", proxy.url)
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"one\n"
        pages.wait_until(topic, lambda told: told["acknowledged"] == 1)
        proxy.reset()
        pages.publish(topic, b"two")
        done = finish(follower)

    assert (done.status, done.out) == (0, b"two\n")
    away, back = done.err.splitlines()
    cause = "the connection was lost (Connection reset by peer)"
    assert away == f"miniqueue: subscription to '{topic}' is away: {cause}; trying again"
    assert back == f"miniqueue: subscribed to '{topic}' again"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_no_message_in_flight(
    commands: Commands, pages: Pages, topic: str, number: int, status: int
) -> None:
    pages.publish(topic, b"one")
    follower = commands.start("subscribe", topic, "--follow")
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"one\n"

    follower.send_signal(number)

    assert finish(follower) == (status, b"", "")
    told = pages.topic(topic)
    assert (told["ready"], told["inFlight"], told["acknowledged"]) == (0, 0, 1)


def test_what_a_stalled_reader_did_not_take_goes_back(
    commands: Commands, miniqueue: Here, pages: Pages, topic: str
) -> None:
    lines = [b"%d %s" % (number, b"x" * 1000) for number in range(200)]
    miniqueue("publish", topic, "--lines", stdin=b"\n".join(lines))
    subscriber = commands.start("subscribe", topic, "--follow")
    # What a pipe holds is printed, and so is done; the rest is held, and waits to be printed.
    pages.wait_until(topic, lambda told: told["ready"] == 0 and told["inFlight"] > 100)

    subscriber.send_signal(signal.SIGINT)
    pages.wait_until(topic, lambda told: told["inFlight"] == 0)
    done = finish(subscriber)

    assert done.status == 130
    printed = done.out.splitlines()
    assert 0 < len(printed) < 200
    # The last line was cut if the reader did not take it: that message is not done.
    assert printed + pages.bodies(topic) in ([*lines], [*printed, *lines[len(printed) - 1 :]])


def test_a_reader_that_has_enough_ends_it_quietly(
    commands: Commands, miniqueue: Here, pages: Pages, topic: str
) -> None:
    lines = [b"%d %s" % (number, b"x" * 1000) for number in range(200)]
    miniqueue("publish", topic, "--lines", stdin=b"\n".join(lines))
    reading, writing = os.pipe()
    subscriber = commands.start("subscribe", topic, "--follow", stdout=writing)
    os.close(writing)
    assert os.read(reading, 2) == b"0 "

    os.close(reading)

    assert finish(subscriber) == (0, b"", "")
    assert pages.topic(topic)["inFlight"] == 0
    assert pages.bodies(topic) == lines, "of the first one it has two bytes"


@pytest.mark.parametrize("shown", [2, 50])
def test_a_reader_that_has_enough_lines_takes_few_more_with_it(
    commands: Commands, miniqueue: Here, pages: Pages, topic: str, shown: int
) -> None:
    lines = [b"%d" % number for number in range(900)]
    miniqueue("publish", topic, "--lines", stdin=b"\n".join(lines))

    done = commands.in_shell(f"miniqueue subscribe {topic} | head -n {shown}")

    assert done == (0, b"".join(b"%d\n" % number for number in range(shown)), "")
    left = pages.bodies(topic)
    assert left == lines[-len(left) :]
    assert len(lines) - len(left) <= (10 if shown == 2 else 10 + 20 + 40)


def test_a_disk_that_is_full_takes_nothing_from_the_topic(
    commands: Commands, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one", b"two")

    done = commands.in_shell(f"miniqueue subscribe {topic} > /dev/full")

    assert done.status == 1
    assert done.err == "miniqueue: stdout: No space left on device\n"
    assert pages.bodies(topic) == [b"one", b"two"]


def test_lines_are_published_as_they_come(commands: Commands, pages: Pages, topic: str) -> None:
    publisher = commands.start("publish", topic, "--lines")
    assert publisher.stdin is not None
    pages.set_policy(topic)

    publisher.stdin.write(b"one\ntwo\nhal")
    publisher.stdin.flush()
    pages.wait_until(topic, lambda told: told["ready"] == 2)

    assert finish(publisher, b"f\n") == (0, b"", "")
    assert pages.bodies(topic) == [b"one", b"two", b"half"]


def test_what_is_in_the_pipe_at_ctrl_c_is_published_and_half_a_line_is_not(
    commands: Commands, pages: Pages, topic: str
) -> None:
    publisher = commands.start("publish", topic, "--lines")
    assert publisher.stdin is not None
    pages.set_policy(topic)
    publisher.stdin.write(b"one\n")
    publisher.stdin.flush()
    pages.wait_until(topic, lambda told: told["ready"] == 1)

    publisher.send_signal(signal.SIGSTOP)
    publisher.stdin.write(b"two\nthree\nhalf")
    publisher.stdin.flush()
    publisher.send_signal(signal.SIGINT)
    publisher.send_signal(signal.SIGCONT)

    assert finish(publisher) == (130, b"", "miniqueue: interrupted; published by now: 3\n")
    assert pages.bodies(topic) == [b"one", b"two", b"three"]


def test_a_pipeline_that_is_interrupted_loses_nothing(
    commands: Commands, miniqueue: Here, pages: Pages, topic: str
) -> None:
    lines = [b"%d" % number for number in range(MANY)]
    miniqueue("publish", topic, "--lines", stdin=b"\n".join(lines))
    pages.set_policy(f"{topic}-2")
    source = commands.start("subscribe", topic, "--json", "--follow", stdin=subprocess.DEVNULL)
    goal = commands.start("publish", f"{topic}-2", "--lines", "--json", stdin=source.stdout)
    assert source.stdout is not None
    source.stdout.close()  # that end belongs to the goal now
    pages.wait_until(f"{topic}-2", lambda told: told["ready"] > 0)

    for process in (source, goal):
        process.send_signal(signal.SIGINT)

    assert (source.wait(), goal.wait()) == (130, 130)
    first = miniqueue("subscribe", f"{topic}-2").lines
    rest = miniqueue("subscribe", topic).lines
    assert first + rest == lines
    assert pages.topic(topic)["inFlight"] == 0


def test_a_fifo_is_read_like_a_pipe_and_opened_once(
    commands: Commands, pages: Pages, topic: str
) -> None:
    done = commands.in_shell(
        f"mkfifo lines whole; seq 1 {MANY} > lines & printf body > whole &\n"
        f"miniqueue publish {topic} --lines lines && miniqueue publish {topic} whole > id\n"
    )

    assert done == (0, b"", "")
    assert pages.topic(topic)["ready"] == MANY + 1


@pytest.mark.parametrize(
    ("words", "said"),
    [([], ""), (["--lines"], "miniqueue: interrupted; published by now: 0\n")],
)
def test_a_quiet_fifo_can_be_left_by_ctrl_c(
    commands: Commands, topic: str, tmp_path: Path, words: list[str], said: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    publisher = commands.start("publish", topic, *words, "fifo")
    writing = os.open(tmp_path / "fifo", os.O_WRONLY)  # waits until it reads
    publisher.send_signal(signal.SIGINT)

    assert finish(publisher) == (130, b"", said)
    os.close(writing)


def test_a_publisher_that_has_failed_does_not_wait_for_the_next_line(
    commands: Commands, pages: Pages, topic: str
) -> None:
    pages.set_policy(topic, maxMessages=2)
    publisher = commands.start("publish", topic, "--lines", "--no-wait")
    assert publisher.stdin is not None
    assert publisher.stderr is not None

    publisher.stdin.write(b"one\ntwo\nthree\n")
    publisher.stdin.flush()

    assert publisher.wait(PATIENCE) == 1
    assert publisher.stderr.read().decode() == (
        f"miniqueue: topic '{topic}' is full: maxMessages is 2; try again later; "
        "published by now: 2\n"
    )
    assert pages.bodies(topic) == [b"one", b"two"]
