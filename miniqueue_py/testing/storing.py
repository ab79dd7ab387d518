"""How checks and tests of a storage engine speak."""

from collections.abc import Sequence
from itertools import count

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.message import BatchCount, Publication, Stored
from miniqueue_py.broker.storage import Storage

NOW = 1_000.0
ANY_SIZE = 1 << 62
ANY_NUMBER = 1 << 30
KEEP_KEYS_FOR = 300.0

_instants = count(2_000, 1_000)


async def publish(storage: Storage, topic: str, *bodies: bytes, now: float = NOW) -> Stored:
    """Store messages on common terms."""
    return await publish_as(storage, topic, Publication(bodies), now)


async def publish_as(
    storage: Storage, topic: str, publication: Publication, now: float = NOW
) -> Stored:
    """Store messages on their own terms."""
    [stored] = await storage.append(topic, [publication], now, KEEP_KEYS_FOR)
    return stored


async def publish_in_batch(
    storage: Storage, topic: str, batch: BatchCount, *bodies: bytes, now: float = NOW
) -> None:
    """Store messages, and with them how far their batch has come."""
    await storage.append(topic, [Publication(bodies)], now, KEEP_KEYS_FOR, batch)


def lease(storage: Storage, topic: str, limit: int, now: float = NOW) -> Sequence[Delivery]:
    """Take messages, however large."""
    return storage.lease(topic, limit, ANY_SIZE, now)


async def take(
    storage: Storage, topic: str, limit: int, now: float = NOW, max_bytes: int = ANY_SIZE
) -> Sequence[Delivery]:
    """Take messages from any engine: what it has to claim elsewhere is waited for."""
    await storage.refresh(topic)
    taken: list[Delivery] = []
    while len(taken) < limit and max_bytes > 0:
        some = storage.lease(topic, limit - len(taken), max_bytes, now)
        if not some and storage.is_claiming(topic):
            await storage.refresh(topic)
            some = storage.lease(topic, limit - len(taken), max_bytes, now)
        if not some:
            break
        taken += some
        max_bytes -= sum(len(each.message.body) for each in some)
    await storage.refresh(topic)
    return taken


async def fresh(storage: Storage) -> Storage:
    """Return the engine when what it tells is what it keeps."""
    await storage.refresh()
    return storage


async def places(storage: Storage, topic: str) -> tuple[int, int, int]:
    """Return how many are ready, in flight, delayed."""
    return counts(await fresh(storage), topic)


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [delivery.message.body for delivery in deliveries]


def counts(storage: Storage, topic: str) -> tuple[int, int, int]:
    """Return how many are ready, in flight, delayed."""
    statistics = storage.statistics(topic)
    return statistics.ready, statistics.in_flight, statistics.delayed


async def later(storage: Storage) -> float:
    """Return an instant at which nothing is due that another check left behind."""
    now = float(next(_instants))
    while (await storage.release_due(now, ANY_NUMBER)).has_more:
        pass
    return now
