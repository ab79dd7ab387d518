"""Messages that are taken for good: who took them is told when it is durable that they are gone.

What is taken in one turn of the loop is acknowledged, and made durable, together.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from miniqueue_py.broker.claim import OnDealt
from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.gathering import tell
from miniqueue_py.broker.settling import Decision, Settler
from miniqueue_py.broker.storage import Storage

_Waiting = tuple[OnDealt, Sequence[Delivery]]


class Taking:
    """What was taken in this turn, until it is acknowledged."""

    def __init__(self, storage: Storage, settler: Settler) -> None:
        self._storage = storage
        self._settler = settler
        self._taken: dict[str, list[Delivery]] = {}
        self._waiting: list[_Waiting] = []

    def __repr__(self) -> str:
        return f"<Taking, {len(self._waiting)} times in this turn>"

    def acknowledge(self, topic: str, deliveries: Sequence[Delivery], on_done: OnDealt) -> None:
        """End deliveries; call `on_done` with them, or with why nobody knows if it is durable."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append((on_done, deliveries))
        taken = self._taken.get(topic)
        if taken is None:
            self._taken[topic] = list(deliveries)
        else:
            taken += deliveries

    def _flush(self) -> None:
        taken, self._taken = self._taken, {}
        waiting, self._waiting = self._waiting, []
        try:
            for topic, deliveries in taken.items():
                self._settler.settle(topic, deliveries, Decision.ACK)
            settled = self._storage.settled()
        except Exception as error:  # noqa: BLE001  the callers tell of it: they know their requests
            _refuse(waiting, error)
        else:
            settled.add_done_callback(partial(_finish, waiting))


def _finish(waiting: Sequence[_Waiting], done: "asyncio.Future[None]") -> None:
    error = done.exception()
    if error is None:
        tell(iter(waiting))
    else:
        _refuse(waiting, error)


def _refuse(waiting: Sequence[_Waiting], error: BaseException) -> None:
    tell((on_done, error) for on_done, _ in waiting)
