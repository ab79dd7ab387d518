"""The verbs without await, opening and closing, and who may call."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from miniqueue_py import (
    BadParameter,
    BadTopicName,
    CannotConnect,
    CertificateRefused,
    ClientClosed,
    MessageTooLong,
    MiniqueueError,
    Misuse,
    SyncClient,
    TopicNotFound,
)
from tests.client.sync.waiting import PATIENCE, take, wait_counts, wait_until


def test_a_message_that_is_published_is_delivered(queue: SyncClient, topic: str) -> None:
    receipt = queue.publish(topic, "hello", priority=3)

    with queue.subscribe(topic) as deliveries:
        for delivery in deliveries:
            facts = (delivery.topic, delivery.text, delivery.message_id, delivery.priority)
            delivery.ack()
            break

    assert facts == (topic, "hello", receipt.message_id, 3)
    wait_counts(queue, topic, acknowledged=1, in_flight=0, ready=0)


def test_the_same_key_stores_one_message(queue: SyncClient, topic: str) -> None:
    first = queue.publish(topic, b"once", key="order-17")
    again = queue.publish(topic, b"once", key="order-17")

    assert (first.is_duplicate, again.is_duplicate) == (False, True)
    assert first.message_id == again.message_id


def test_operators_have_their_verbs(queue: SyncClient, topic: str) -> None:
    policy = {"maxDeliveries": 1, "deadLetter": f"{topic}.dead"}
    assert queue.set_policy(topic, policy).policy["maxDeliveries"] == 1
    assert queue.pause(topic).paused
    assert not queue.resume(topic).paused

    queue.publish(topic, b"bad")
    with queue.subscribe(topic) as deliveries:
        deliveries.receive().dead()
    wait_counts(queue, f"{topic}.dead", ready=1)

    (message,) = queue.peek(f"{topic}.dead", most=5)
    assert message.origin is not None
    assert (message.body, message.origin.topic) == (b"bad", topic)
    assert queue.redrive(f"{topic}.dead") == 1
    assert queue.topic(topic).ready == 1
    queue.delete(topic)
    with pytest.raises(TopicNotFound):
        queue.topic(topic)


def test_all_topics_are_listed_by_name(queue: SyncClient, topic: str) -> None:
    mine = [f"{topic}-{number:04}" for number in range(1, 4)]
    for name in reversed(mine):
        queue.publish(name, b"")

    names = [each.name for each in queue.topics()]

    assert names == sorted(names)
    assert [name for name in names if name.startswith(f"{topic}-")] == mine


def test_a_listing_that_is_left_early_leaves_nothing_behind(queue: SyncClient, topic: str) -> None:
    queue.publish(topic, b"")
    listing = queue.topics()

    next(listing)
    del listing

    assert queue.topic(topic).ready == 1


def test_what_can_never_work_is_refused_before_it_is_sent(queue: SyncClient, topic: str) -> None:
    with pytest.raises(BadTopicName):
        queue.publish("", b"")
    with pytest.raises(MessageTooLong):
        queue.publish(topic, bytes(2 << 20))
    with pytest.raises(BadParameter):
        queue.subscribe(topic, credit=0)
    with pytest.raises(BadParameter):
        queue.publisher(topic, priority=256)
    with pytest.raises(TopicNotFound):
        queue.topic(topic)


def test_a_client_can_be_kept_open_without_a_block(url: str, ca: Path, topic: str) -> None:
    queue = SyncClient(url, ca=ca).open()
    assert "open" in repr(queue)

    queue.publish(topic, b"one")
    queue.close()
    queue.close()

    assert "closed" in repr(queue)
    with pytest.raises(ClientClosed):
        queue.publish(topic, b"two")
    with queue:
        assert take(queue, topic, 1) == [b"one"]


def test_a_client_is_opened_once(queue: SyncClient) -> None:
    with pytest.raises(Misuse, match="open already"):
        queue.open()


def test_nobody_there_is_told_at_once(ca: Path) -> None:
    queue = SyncClient("https://localhost:1", ca=ca)

    with pytest.raises(CannotConnect, match="localhost:1"):
        queue.open()
    with pytest.raises(ClientClosed):
        queue.topic("emails")


def test_a_broker_of_an_unknown_authority_is_not_spoken_to(url: str) -> None:
    with pytest.raises(CertificateRefused, match="ca="), SyncClient(url):
        pass


def test_a_file_that_cannot_be_read_is_told_without_connecting(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="ca"):
        SyncClient(ca=tmp_path / "missing.pem")


def test_many_threads_publish_at_once(queue: SyncClient, topic: str) -> None:
    bodies = [b"%d" % number for number in range(200)]

    with ThreadPoolExecutor(16) as threads:
        receipts = list(threads.map(lambda body: queue.publish(topic, body), bodies))

    assert len({receipt.message_id for receipt in receipts}) == len(bodies)
    assert sorted(take(queue, topic, len(bodies))) == sorted(bodies)


def test_closing_ends_the_waits_of_other_threads(url: str, ca: Path, topic: str) -> None:
    problems: list[MiniqueueError] = []
    queue = SyncClient(url, ca=ca).open()
    deliveries = queue.subscribe(topic)

    def wait() -> None:
        try:
            with deliveries:
                deliveries.receive()
        except MiniqueueError as error:
            problems.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: "open" in repr(deliveries), "the subscription is open")

    queue.close()
    thread.join(PATIENCE)

    assert not thread.is_alive()
    assert [type(problem) for problem in problems] == [ClientClosed]


def told_in_a_fork(use: Callable[[], None]) -> str:
    """Return what a forked process is told that uses what it inherited."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            use()
        except Misuse as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(child, 0)
    return told


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_that_was_forked_is_told_to_open_its_own(queue: SyncClient, topic: str) -> None:
    def use() -> None:
        try:
            queue.publish(topic, b"")
        finally:
            queue.close()

    assert "open one in each process" in told_in_a_fork(use)
    assert not queue.publish(topic, b"").is_duplicate


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_cannot_send_on_an_inherited_stream(queue: SyncClient, topic: str) -> None:
    with queue.publisher(topic) as publisher:
        publisher.send(b"1")  # and the next one would only lie beside it
        told = told_in_a_fork(lambda: publisher.send(b"2"))

    assert "open one in each process" in told
