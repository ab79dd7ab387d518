"""The deliveries that a worker holds, and their leases."""

from contextlib import suppress

import anyio

from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.subscription import TOUCHES_A_LEASE
from miniqueue_py.errors import MiniqueueError, SettlementError


class Holding:
    """From when a delivery comes until it is settled."""

    def __init__(self) -> None:
        self._held: set[Delivery] = set()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, delivery: Delivery) -> None:
        self._held.add(delivery)

    def discard(self, delivery: Delivery) -> None:
        self._held.discard(delivery)

    async def keep(self, lease: float) -> None:
        """Begin all leases anew, in time, until cancelled."""
        while True:
            await anyio.sleep(lease / TOUCHES_A_LEASE)
            for delivery in list(self._held):
                # Lost, too late, or settled by its handler: that is found when the handler is done.
                with suppress(SettlementError):
                    await delivery.touch()

    async def give_back(self) -> int:
        """Give all of them back, no attempt counted, and return how many those were."""
        held, self._held = self._held, set()
        given = 0
        with anyio.CancelScope(shield=True):  # nothing here waits for anybody
            for delivery in held:
                with suppress(MiniqueueError):
                    await delivery.release()
                    given += 1
        return given
