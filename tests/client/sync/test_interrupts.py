"""Programs that are left in the middle: by Ctrl-C, or by forgetting to close."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miniqueue_py import SyncClient
from tests.client.sync.waiting import PATIENCE, take, wait_counts
from tests.outside.server import PROJECT

BEGIN = """
import sys
from miniqueue_py import SyncClient
url, ca, topic = sys.argv[1:]
"""

WAIT_FOR_ONE_MORE = """
with SyncClient(url, ca=ca) as queue, queue.subscribe(topic) as deliveries:
    for delivery in deliveries:
        print(delivery.text, flush=True)
"""

GO_ON_AFTER_AN_INTERRUPT = """
with SyncClient(url, ca=ca) as queue, queue.subscribe(topic) as deliveries:
    print("waits", flush=True)
    try:
        deliveries.receive()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    delivery = deliveries.receive()
    delivery.ack()
    print(delivery.text, flush=True)
"""

SEND_FOR_EVER = """
with SyncClient(url, ca=ca) as queue, queue.publisher(topic) as publisher:
    publisher.send("first")
    publisher.flush()
    print("sends", flush=True)
    while True:
        publisher.send("more")
"""

FORGET_TO_CLOSE = """
queue = SyncClient(url, ca=ca).open()
deliveries = queue.subscribe(topic).__enter__()
deliveries.receive().ack()
publisher = queue.publisher(topic).__enter__()
publisher.send("three")
"""


@contextmanager
def program(text: str, url: str, ca: Path, topic: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + text, url, str(ca), topic],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def expect_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"


def interrupt(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and say what stands on stderr in the end."""
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT
    return told


def test_an_interrupt_in_a_wait_gives_back_what_is_in_flight(
    queue: SyncClient, url: str, ca: Path, topic: str
) -> None:
    queue.publish(topic, "one")
    queue.publish(topic, "two")

    with program(WAIT_FOR_ONE_MORE, url, ca, topic) as process:
        expect_line(process, "one")
        expect_line(process, "two")
        told = interrupt(process)

    assert told.count("Traceback") == 1
    assert told.endswith("KeyboardInterrupt\n")
    wait_counts(queue, topic, ready=2, in_flight=0, consumers=0)


def test_a_program_may_go_on_after_an_interrupt(
    queue: SyncClient, url: str, ca: Path, topic: str
) -> None:
    with program(GO_ON_AFTER_AN_INTERRUPT, url, ca, topic) as process:
        expect_line(process, "waits")
        wait_counts_of_new(queue, topic)
        process.send_signal(signal.SIGINT)
        expect_line(process, "interrupted")
        queue.publish(topic, "one")
        expect_line(process, "one")
        assert process.wait(PATIENCE) == 0

    wait_counts(queue, topic, acknowledged=1, in_flight=0, ready=0)


def wait_counts_of_new(queue: SyncClient, topic: str) -> None:
    """Return when the program is there, whose topic has no message yet."""
    queue.set_policy(topic, {})
    wait_counts(queue, topic, consumers=1)


def test_an_interrupt_while_sending_keeps_the_order_of_what_was_stored(
    queue: SyncClient, url: str, ca: Path, topic: str
) -> None:
    with program(SEND_FOR_EVER, url, ca, topic) as process:
        expect_line(process, "sends")
        told = interrupt(process)

    assert told.count("Traceback") == 1
    assert take(queue, topic, 1) == [b"first"]


def test_the_end_of_the_program_closes_what_was_left_open(
    queue: SyncClient, url: str, ca: Path, topic: str
) -> None:
    queue.publish(topic, "one")
    queue.publish(topic, "two")

    with program(FORGET_TO_CLOSE, url, ca, topic) as process:
        _, told = process.communicate(timeout=PATIENCE)

    assert (process.returncode, told) == (0, "")
    wait_counts(queue, topic, acknowledged=1, ready=2, in_flight=0)
