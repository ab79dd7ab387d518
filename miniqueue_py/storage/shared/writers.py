"""All writers of a broker: each topic has one, so its writes stay in their order."""

import asyncio
from collections.abc import Callable
from zlib import crc32

from miniqueue_py.storage.shared.store import WRITERS
from miniqueue_py.storage.shared.writer import Writer


class Writers:
    """As many as a store has lines for."""

    def __init__(self, new: Callable[[int], Writer]) -> None:
        self._all = [new(line) for line in range(WRITERS)]

    def __repr__(self) -> str:
        return f"<Writers, {len(self._all)}>"

    def of(self, name: str) -> Writer:
        """Return that of a topic."""
        return self._all[crc32(name.encode()) % len(self._all)]

    async def written(self) -> None:
        """Return when all that was said is in the store."""
        await asyncio.gather(*[writer.written() for writer in self._all])

    def start(self, broker: int) -> None:
        """Write in the name of that broker from now on."""
        for writer in self._all:
            writer.start(broker)

    def lose(self) -> None:
        """Let go of what was to be written: others hold it."""
        for writer in self._all:
            writer.lose()

    async def aclose(self) -> None:
        for writer in self._all:
            await writer.aclose()
