"""Deliveries for programs that do not await: what comes, and what becomes of it."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from miniqueue_py import (
    AlreadySettled,
    BadParameter,
    ClientClosed,
    DeliveryLost,
    LeaseExpired,
    SyncClient,
    SyncDelivery,
    SyncSubscription,
)
from tests.client.proxy import Proxy
from tests.client.sync.waiting import PATIENCE, wait_counts, wait_until

MANY = 1000


def publish_numbers(queue: SyncClient, topic: str, count: int) -> list[bytes]:
    bodies = [b"%d" % number for number in range(count)]
    with queue.publisher(topic) as publisher:
        publisher.send_many(bodies)
    return bodies


def test_deliveries_come_in_the_order_of_publishing(queue: SyncClient, topic: str) -> None:
    expected = publish_numbers(queue, topic, MANY)
    bodies = []

    with queue.subscribe(topic, credit=50) as deliveries:
        for delivery in deliveries:
            bodies.append(delivery.body)
            delivery.ack()
            if len(bodies) == MANY:
                break

    assert bodies == expected
    wait_counts(queue, topic, acknowledged=MANY, ready=0, in_flight=0)


def test_a_delivery_tells_what_is_known_of_it(queue: SyncClient, topic: str) -> None:
    receipt = queue.publish(topic, "Grüße", priority=3)

    with queue.subscribe(topic) as deliveries:
        delivery = deliveries.receive()

        assert (delivery.topic, delivery.text, delivery.body) == (topic, "Grüße", "Grüße".encode())
        assert (delivery.id, delivery.attempt, delivery.dack_count) == (1, 1, 0)
        assert (delivery.message_id, delivery.priority) == (receipt.message_id, 3)
        assert delivery.origin is None
        assert delivery.line.startswith(b'{"msg"')
        states = (delivery.is_settled, delivery.is_lost, delivery.is_expired)
        assert states == (False, False, False)
        assert "in flight" in repr(delivery)
        assert delivery.published_at is not None
        assert abs(datetime.now(UTC) - delivery.published_at) < timedelta(seconds=30)


def test_an_ack_leaves_soon_while_its_thread_is_busy_elsewhere(
    queue: SyncClient, topic: str
) -> None:
    publish_numbers(queue, topic, 3)

    with queue.subscribe(topic) as deliveries:
        deliveries.receive().ack()

        wait_counts(queue, topic, acknowledged=1, in_flight=2)


def test_no_delivery_in_time_is_none(queue: SyncClient, topic: str) -> None:
    with queue.subscribe(topic) as deliveries:
        assert deliveries.receive(timeout=0.01) is None
        assert deliveries.receive_nowait() is None
        queue.publish(topic, b"one")

        delivery = deliveries.receive(timeout=PATIENCE)

    assert delivery is not None
    assert delivery.body == b"one"


def test_what_is_here_comes_without_a_wait(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 5)

    with queue.subscribe(topic) as deliveries:
        taken = [deliveries.receive()]
        wait_counts(queue, topic, in_flight=5)
        wait_until(lambda: fill(taken, deliveries) == 5, "all five are here")
        deliveries.ack_many(taken)

    wait_counts(queue, topic, acknowledged=5)


def fill(taken: list[SyncDelivery], deliveries: SyncSubscription) -> int:
    while (delivery := deliveries.receive_nowait()) is not None:
        taken.append(delivery)
    return len(taken)


def test_some_are_taken_at_once(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 20)

    with queue.subscribe(topic) as deliveries:
        first = deliveries.receive_many(7)
        deliveries.ack_many(first)

    assert 1 <= len(first) <= 7
    wait_counts(queue, topic, acknowledged=len(first), ready=20 - len(first))


def test_each_verb_does_what_it_says(queue: SyncClient, topic: str) -> None:
    queue.set_policy(topic, {"deadLetter": f"{topic}.dead"})
    publish_numbers(queue, topic, 6)

    with queue.subscribe(topic, credit=1) as deliveries:
        deliveries.receive().nack()
        again = deliveries.receive()
        assert (again.body, again.attempt) == (b"0", 2)
        again.release()
        again = deliveries.receive()
        assert (again.body, again.attempt) == (b"0", 2)
        again.back()
        one = deliveries.receive()
        one.touch()
        one.dack(3600)
        assert one.is_settled
        deliveries.receive().dead()
        deliveries.receive().ack()

    wait_counts(queue, topic, delayed=1, dead_lettered=1, acknowledged=1, ready=3)


def test_a_delivery_is_settled_once(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 1)

    with queue.subscribe(topic) as deliveries:
        delivery = deliveries.receive()
        delivery.ack()

        for verb in (delivery.ack, delivery.nack, delivery.touch, lambda: delivery.dack(1)):
            with pytest.raises(AlreadySettled):
                verb()


def test_a_delay_that_cannot_be_settles_nothing(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 1)

    with queue.subscribe(topic) as deliveries:
        delivery = deliveries.receive()
        with pytest.raises(BadParameter):
            delivery.dack(-1)
        assert not delivery.is_settled
        delivery.ack()

    wait_counts(queue, topic, acknowledged=1)


def test_a_lease_that_ran_out_is_told(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 1)

    with queue.subscribe(topic, lease=0.05) as deliveries:
        late = deliveries.receive()
        again = deliveries.receive(timeout=PATIENCE)

        assert again is not None
        assert (again.body, again.attempt) == (late.body, 2)
        assert late.is_expired
        with pytest.raises(LeaseExpired):
            late.ack()


def test_an_expiry_is_known_while_nobody_receives(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 1)

    with queue.subscribe(topic, lease=0.05) as deliveries:
        late = deliveries.receive()
        wait_until(lambda: late.is_expired, "the lease is over")

        with pytest.raises(LeaseExpired):
            late.ack()
        with pytest.raises(LeaseExpired):
            late.dack(1)
        assert not late.is_settled


def test_what_waits_while_the_caller_is_busy_does_not_expire(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 5)

    with queue.subscribe(topic, credit=20, lease=0.5) as deliveries:
        first = deliveries.receive()
        wait_until(lambda: first.is_expired, "the lease of what is held")
        rest = [deliveries.receive() for _ in range(5)]
        for delivery in rest:
            delivery.ack()

    assert sorted(delivery.attempt for delivery in rest) == [1, 1, 1, 1, 2]
    assert queue.topic(topic).acknowledged == 5


def test_expiry_is_known_on_the_stream_after_a_lost_connection_too(
    far_queue: SyncClient, topic: str, proxy: Proxy
) -> None:
    publish_numbers(far_queue, topic, 1)

    with far_queue.subscribe(topic, lease=0.1) as deliveries:
        lost = deliveries.receive()
        proxy.reset()
        wait_until(lambda: lost.is_lost, "the delivery is lost")
        late = deliveries.receive(timeout=PATIENCE)
        assert late is not None

        wait_until(lambda: late.is_expired, "the lease is over")


def test_what_is_not_settled_goes_back_when_the_block_ends(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 5)

    with queue.subscribe(topic) as deliveries:
        delivery = deliveries.receive()

    wait_counts(queue, topic, ready=5, in_flight=0, consumers=0)
    with pytest.raises(DeliveryLost):
        delivery.ack()
    with pytest.raises(ClientClosed):
        deliveries.receive()
    with pytest.raises(ClientClosed):
        deliveries.receive_nowait()
    with pytest.raises(ClientClosed):
        next(deliveries)


def test_what_nobody_has_seen_goes_back_without_a_mark(queue: SyncClient, topic: str) -> None:
    publish_numbers(queue, topic, 5)

    with queue.subscribe(topic, credit=10) as deliveries:
        wait_counts(queue, topic, in_flight=5)
        deliveries.receive()

    wait_counts(queue, topic, ready=5, in_flight=0)
    with queue.subscribe(topic) as deliveries:
        attempts = {delivery.body: delivery.attempt for delivery in islice(deliveries, 5)}
    assert attempts == {b"0": 2, b"1": 1, b"2": 1, b"3": 1, b"4": 1}


def test_after_a_lost_connection_the_same_messages_come_again(
    far_queue: SyncClient, topic: str, proxy: Proxy
) -> None:
    publish_numbers(far_queue, topic, 10)

    with far_queue.subscribe(topic) as deliveries:
        lost = deliveries.receive()
        proxy.reset()
        wait_until(lambda: lost.is_lost, "the delivery is lost")
        with pytest.raises(DeliveryLost):
            lost.ack()
        bodies: set[bytes] = set()
        while len(bodies) < 10:
            delivery = deliveries.receive(timeout=PATIENCE)
            assert delivery is not None
            bodies.add(delivery.body)
            delivery.ack()

    wait_counts(far_queue, topic, acknowledged=10, ready=0)


def test_several_threads_share_a_subscription(queue: SyncClient, topic: str) -> None:
    expected = publish_numbers(queue, topic, MANY)
    bodies: list[bytes] = []

    def work(_: int) -> None:
        while (delivery := deliveries.receive(timeout=0.3)) is not None:
            bodies.append(delivery.body)
            delivery.ack()

    with queue.subscribe(topic) as deliveries, ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))

    assert Counter(bodies) == Counter(expected)
    wait_counts(queue, topic, acknowledged=MANY)


def test_what_one_thread_fetched_goes_to_all_that_wait(queue: SyncClient, topic: str) -> None:
    everybody_has_one = threading.Barrier(3)

    def work(_: int) -> None:
        delivery = deliveries.receive(timeout=PATIENCE)
        assert delivery is not None
        everybody_has_one.wait(PATIENCE)
        delivery.ack()

    with queue.subscribe(topic) as deliveries, ThreadPoolExecutor(3) as threads:
        working = threads.map(work, range(3))
        publish_numbers(queue, topic, 3)
        list(working)

    wait_counts(queue, topic, acknowledged=3)
