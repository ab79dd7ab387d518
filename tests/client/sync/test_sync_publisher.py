"""A stream of messages from programs that do not await."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from miniqueue_py import ClientClosed, MessageTooLong, SyncClient
from miniqueue_py.client.sync.publisher import BLOCK, BLOCK_BYTES
from tests.client.proxy import Proxy
from tests.client.sync.waiting import take, wait_counts, wait_until

MANY = 2 * BLOCK + 7


def test_leaving_the_block_confirms_all_in_their_order(queue: SyncClient, topic: str) -> None:
    bodies = [b"%d" % number for number in range(MANY)]

    with queue.publisher(topic) as publisher:
        for body in bodies:
            publisher.send(body)

    assert (publisher.sent, publisher.confirmed) == (MANY, MANY)
    assert take(queue, topic, MANY) == bodies


def test_many_are_handed_in_at_once(queue: SyncClient, topic: str) -> None:
    with queue.publisher(topic) as publisher:
        publisher.send_many(str(number) for number in range(MANY))
        publisher.flush()

        assert publisher.confirmed == MANY
    assert take(queue, topic, MANY) == [b"%d" % number for number in range(MANY)]


def test_messages_with_terms_and_line_ends_keep_their_place(queue: SyncClient, topic: str) -> None:
    with queue.publisher(topic, priority=1) as publisher:
        publisher.send(b"first")
        publisher.send(b"two\nlines")
        publisher.send("third", key="order-17")
        publisher.send("third", key="order-17")
        publisher.send("urgent", priority=9)
        publisher.send(b"last")
        publisher.send("much later", delay=3600)

    expected = [b"urgent", b"first", b"two\nlines", b"third", b"last"]
    assert take(queue, topic, len(expected)) == expected
    assert queue.topic(topic).delayed == 1


def test_a_message_leaves_soon_also_when_nothing_follows(queue: SyncClient, topic: str) -> None:
    with queue.publisher(topic) as publisher:
        publisher.send(b"one")

        wait_until(lambda: publisher.confirmed == 1, "the message is confirmed")


def test_large_messages_do_not_gather_in_memory(queue: SyncClient, topic: str) -> None:
    with queue.publisher(topic) as publisher:
        for _ in range(20):
            publisher.send(bytes(BLOCK_BYTES - 100))
            assert publisher._bytes <= BLOCK_BYTES

    assert queue.topic(topic).ready == 20


def test_each_thread_keeps_its_order(queue: SyncClient, topic: str) -> None:
    def send(name: str) -> None:
        for number in range(MANY):
            publisher.send(f"{name}{number}")

    with queue.publisher(topic) as publisher, ThreadPoolExecutor(3) as threads:
        list(threads.map(send, "abc"))

    texts = [body.decode() for body in take(queue, topic, 3 * MANY)]
    for name in "abc":
        of_thread = [text for text in texts if text.startswith(name)]
        assert of_thread == [f"{name}{number}" for number in range(MANY)]


def test_a_message_too_long_is_refused_at_once_and_the_others_go(
    queue: SyncClient, topic: str
) -> None:
    with queue.publisher(topic) as publisher:
        publisher.send(b"before")
        with pytest.raises(MessageTooLong):
            publisher.send(bytes(2 << 20))
        publisher.send(b"after")

    assert take(queue, topic, 2) == [b"before", b"after"]


def test_a_publisher_is_used_inside_its_block(queue: SyncClient, topic: str) -> None:
    publisher = queue.publisher(topic)
    with pytest.raises(ClientClosed):
        publisher.send(b"too early")
    with publisher:
        pass
    with pytest.raises(ClientClosed):
        publisher.send(b"too late")
    with pytest.raises(ClientClosed):
        publisher.flush()


def test_leaving_by_an_error_does_not_wait(far_queue: SyncClient, topic: str, proxy: Proxy) -> None:
    proxy.stall()

    with suppress(ZeroDivisionError), far_queue.publisher(topic) as publisher:
        publisher.send(b"in doubt")
        raise ZeroDivisionError

    assert publisher.confirmed == 0
    proxy.resume()


def test_a_lost_connection_doubles_nothing_and_loses_nothing(
    far_queue: SyncClient, topic: str, proxy: Proxy
) -> None:
    bodies = [b"%d" % number for number in range(5 * BLOCK)]

    with far_queue.publisher(topic) as publisher:
        for number, body in enumerate(bodies):
            publisher.send(body)
            if number % (2 * BLOCK) == BLOCK:
                proxy.reset()

    wait_counts(far_queue, topic, ready=len(bodies))
    assert take(far_queue, topic, len(bodies)) == bodies
