"""What the broker's tests say all the time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.claim import Claim
from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.broker.receipts import ReceivedDelivery
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.storage import Storage
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.errors import SettlementError
from miniqueue_py.testing.clock import ManualClock

Answer = TypeVar("Answer")


class Consume(Protocol):
    """Starts a consumer; None is a plain INIT."""

    def __call__(
        self, credit: int | None = None, *, topic: str = "orders", lease: float | None = None
    ) -> Subscriber: ...


def nothing() -> None:
    """Care for no change: the test looks by itself."""


def raise_it(error: Exception) -> None:
    raise error


async def publish(broker: Broker, *bodies: bytes, topic: str = "orders", **terms: Any) -> Stored:
    [stored] = await broker.publish(topic, [Publication(bodies, **terms)])
    return stored


async def receive(  # noqa: PLR0913, PLR0917  as the broker does
    broker: Broker,
    topic: str,
    limit: int,
    wait_seconds: float = 0,
    lease_seconds: float | None = None,
    client: str = "",
) -> Sequence[ReceivedDelivery]:
    """Wait for what is received; who is cancelled meanwhile gives his claim up."""
    return await _answer(
        lambda on_done: broker.claims.receive(
            topic, limit, wait_seconds, on_done, lease_seconds, client
        )
    )


async def take(
    broker: Broker, topic: str, limit: int, wait_seconds: float = 0
) -> Sequence[Delivery]:
    """Wait for what is taken, in the same way."""
    return await _answer(lambda on_done: broker.claims.take(topic, limit, wait_seconds, on_done))


async def _answer(
    ask: Callable[[Callable[[Answer | Exception], None]], Claim],
) -> Answer:
    done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def on_done(answer: Answer | Exception) -> None:
        if isinstance(answer, Exception):
            done.set_exception(answer)
        else:
            done.set_result(answer)

    claim = ask(on_done)
    try:
        return await done
    except asyncio.CancelledError:
        claim.cancel()
        raise


def texts(count: int, first: int = 1) -> list[bytes]:
    """Return the bodies `1`, `2`, `3` ..."""
    return [b"%d" % number for number in range(first, first + count)]


def bodies(subscriber: Subscriber) -> list[bytes]:
    """Take what was dealt."""
    return [delivery.message.body for _, delivery in subscriber.take()]


def numbers(subscriber: Subscriber) -> list[int]:
    """Take what was dealt."""
    return [number for number, _ in subscriber.take()]


def attempts(subscriber: Subscriber) -> dict[bytes, int]:
    """Take what was dealt."""
    return {each.message.body: each.message.attempt for _, each in subscriber.take()}


def settle(
    subscriber: Subscriber, decision: Decision, *ids: int, **others: Any
) -> Sequence[SettlementError]:
    return subscriber.settle(decision, decision.value.upper(), ids, **others)


def ack(subscriber: Subscriber, *ids: int, **others: Any) -> Sequence[SettlementError]:
    return settle(subscriber, Decision.ACK, *ids, **others)


def nack(subscriber: Subscriber, *ids: int, **others: Any) -> Sequence[SettlementError]:
    return settle(subscriber, Decision.NACK, *ids, **others)


async def some_turns() -> None:
    """Let the loop do what it has before it."""
    for _ in range(20):
        await asyncio.sleep(0)


def places(storage: Storage, topic: str = "orders") -> tuple[int, int, int]:
    """Count what is ready, in flight and delayed."""
    statistics = storage.statistics(topic)
    return statistics.ready, statistics.in_flight, statistics.delayed


async def tick_after(broker: Broker, clock: ManualClock, seconds: float) -> None:
    await clock.advance(seconds)
    await broker.tick()
