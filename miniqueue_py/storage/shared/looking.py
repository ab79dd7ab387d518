"""Looking at messages in the store, whoever holds them."""

from typing import Any

from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.storage import Look, Sight
from miniqueue_py.storage.shared.store import Store


async def look_at(  # noqa: PLR0913, PLR0917  see Storage.look
    store: Store, name: str, state: State, limit: int, max_bytes: int, at: float, after: Any
) -> Look:
    """Return what is in that state of a topic, behind a place; `at` is the store's time."""
    if limit <= 0 or max_bytes <= 0:
        return Look(())
    seen = await store.look(name, state, limit + 1, after)
    sights: list[Sight] = []
    for index, (message, number, place, due_ms) in enumerate(seen):
        if len(sights) >= limit or max_bytes <= 0:
            return Look(sights, after)
        standing = (due_ms, place[1]) if state is State.DELAYED else place
        after = standing if index + 1 < len(seen) else None
        if state is State.LEASED or not message.has_expired(int(at * 1000)):
            sights.append(Sight(message, (number, place), due_ms))
            max_bytes -= len(message.body)
    return Look(sights)
