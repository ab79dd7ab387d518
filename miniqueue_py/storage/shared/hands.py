"""What was claimed of each topic and not handed out yet, and the claims under way."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count

from miniqueue_py.broker.message import Message
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.shared.claims import Claim
from miniqueue_py.storage.shared.store import CLAIMER, Lost, Store, Taken, Turn

MOST_CLAIMED = 2000
"""Messages in one claim."""

MOST_CLAIMED_BYTES = 1 << 22


class Hand:
    """A topic, as those see it who wait for its messages."""

    __slots__ = ("at", "has_none", "is_claiming", "is_doubtful", "messages", "wakes", "wanted")

    def __init__(self) -> None:
        self.messages: deque[tuple[Claim, int, Message]] = deque()
        self.wanted = 0
        self.is_claiming = False
        self.is_doubtful = False
        """Something may have been claimed of which no answer came."""
        self.has_none = False
        """The store had none left, and has not told of any since."""
        self.wakes = 0
        self.at = 0.0
        """The store's time at which somebody asked last."""

    def wake(self) -> None:
        self.wakes += 1
        self.has_none = False


class Hands:
    """Claims messages for those who want some, a topic at a time."""

    def __init__(
        self,
        store: Store,
        on_taken: Callable[[str, Hand, Taken], None],
        on_failure: Callable[[StorageUnavailable | None], None],
        on_lost: Callable[[], None],
        settle_unknown: Callable[[str, Hand], Awaitable[None]],
    ) -> None:
        self.broker = 0
        self.topics: dict[str, Hand] = {}
        self.demand: Callable[[str], int] | None = None
        self._store = store
        self._on_taken = on_taken
        self._on_failure = on_failure
        self._on_lost = on_lost
        self._settle_unknown = settle_unknown
        self._turns = count(1)
        self._wanting: dict[str, None] = {}
        self._wanted = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._task: asyncio.Task[None] | None = None

    def start(self, broker: int) -> None:
        """Claim in the name of that broker from now on."""
        self.broker = broker
        self._turns = count(1)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def of(self, topic: str) -> Hand:
        """Return a topic's hand, which is made if need be."""
        hand = self.topics.get(topic)
        if hand is None:
            hand = self.topics[topic] = Hand()
        return hand

    def want(self, topic: str, messages: int, at: float) -> None:
        """Claim some, unless it is known that there are none."""
        hand = self.of(topic)
        if hand.has_none:
            return
        hand.wanted, hand.at = max(hand.wanted, messages), at
        hand.is_claiming = True
        self._wanting.setdefault(topic)
        self._is_idle.clear()
        self._wanted.set()

    async def wait_idle(self) -> None:
        """Return when no claim is under way."""
        await self._is_idle.wait()

    def turn(self) -> Turn:
        """Return the next turn of the line by which this claims."""
        return Turn(self.broker, CLAIMER, next(self._turns))

    async def aclose(self) -> None:
        """Claim nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await asyncio.sleep(0)  # others in line may want some too
            while self._wanting:
                topic = next(iter(self._wanting))
                del self._wanting[topic]
                await self._claim(topic, self.of(topic))
            self._is_idle.set()

    async def _claim(self, topic: str, hand: Hand) -> None:
        wanted, hand.wanted = hand.wanted, 0
        demand = 0 if self.demand is None else self.demand(topic)
        limit = min(max(wanted, demand), MOST_CLAIMED)
        wakes, broker = hand.wakes, self.broker
        if hand.is_doubtful:
            await self._settle_unknown(topic, hand)
        if limit <= 0 or hand.is_doubtful or not broker:
            hand.is_claiming = topic in self._wanting
            return
        taken: Taken | None = None
        try:
            taken = await self._store.take(self.turn(), topic, limit, MOST_CLAIMED_BYTES, hand.at)
        except Lost:
            if self.broker == broker:
                self._on_lost()
        except StorageUnavailable as error:
            self._on_failure(error)
            hand.has_none = True  # until the next look
            hand.is_doubtful = True
            return
        finally:
            hand.is_claiming = topic in self._wanting
        if broker != self.broker:
            return
        self._on_failure(None)
        came = 0 if taken is None else len(taken.messages)
        hand.has_none = came < limit and wakes == hand.wakes and not (taken and taken.has_more)
        if taken is not None:
            size = sum(len(message.body) for _, _, message in taken.messages)
            hand.has_none = hand.has_none and size < MOST_CLAIMED_BYTES
            self._on_taken(topic, hand, taken)
