"""Waking whoever waits for something to change."""

import anyio
from anyio.lowlevel import checkpoint_if_cancelled


class Bell:
    """Rung when something changed; whoever heard it looks for itself.

    Nothing is kept: look first, then wait, with no await in between.
    """

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def ring(self) -> None:
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self) -> None:
        """Wait until it is rung."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()
        # Cancelled as it rang: one that ends all of a client at once often rings it too,
        # and what its waiter would make of that is an error that nobody asked for.
        await checkpoint_if_cancelled()
