"""What this broker holds, and what it has in hand of that for whoever asks."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from miniqueue_py.broker.message import Message
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.shared.claims import Claim, Held
from miniqueue_py.storage.shared.hands import Hand, Hands
from miniqueue_py.storage.shared.presence import Presence
from miniqueue_py.storage.shared.store import Store, Taken
from miniqueue_py.storage.shared.writer import Writer
from miniqueue_py.storage.shared.writes import Disown

InHand = tuple[Claim, int, Message]


class Holdings:
    """The claims of this broker, by the numbers of their topics."""

    def __init__(
        self,
        store: Store,
        presence: Presence,
        writer_of: Callable[[str], Writer],
        on_ready: Callable[[str], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.expired = 0
        """Messages that were found to be expired when they were claimed."""
        self.hands = Hands(store, self._take, presence.note, on_lost, self._give_up_unknown)
        self._store = store
        self._writer_of = writer_of
        self._on_ready = on_ready
        self._held: dict[int, Held] = {}

    def __repr__(self) -> str:
        return f"<Holdings of {len(self._held)} topics>"

    def of(self, number: int) -> Held | None:
        """Return what is held of a topic."""
        return self._held.get(number)

    def hold(self, name: str, taken: Taken) -> Sequence[InHand]:
        """Hold what was claimed; return it in the order of delivery."""
        self.expired += taken.expired
        if not taken.messages:
            return ()
        held = self._held.get(taken.topic)
        if held is None:
            held = self._held[taken.topic] = Held(taken.topic, name)
        claims = {row.place: held.add(row, ()) for row in taken.ranges}
        messages: list[InHand] = []
        for row, (_, position), message in taken.messages:
            claim = claims[row]
            claim.open[position] = None
            messages.append((claim, position, message))
        return messages

    def release(self, claim: Claim, position: int) -> None:
        """Give back what nobody was shown."""
        claim.topic.give_back(claim, position, is_failed=False, is_unseen=True)
        self._writer_of(claim.topic.name).touch(claim.topic)

    def tidy(self) -> None:
        """Give back what nobody here wants any more, and look again for those who wait."""
        for name, hand in list(self.hands.topics.items()):
            self._give_back_unwanted(name, hand)
            hand.wake()
            if hand.is_doubtful:
                self.hands.want(name, 0, hand.at)
            elif not hand.messages and not hand.is_claiming and self._wanted(name) <= 0:
                del self.hands.topics[name]
            else:
                self._on_ready(name)

    def settle_down(self, numbers: set[int]) -> None:
        """Forget topics of which nothing is held any more."""
        for number in numbers:
            held = self._held.get(number)
            if held is not None and not held.claims:
                del self._held[number]

    def forget(self, number: int) -> None:
        """Let go of what is held of a topic that is gone: it cannot be settled any more."""
        held = self._held.pop(number, None)
        if held is None:
            return
        held.drop()
        hand = self.hands.topics.get(held.name)
        if hand is not None:
            hand.messages = deque(each for each in hand.messages if each[0].topic is not held)

    def lose(self) -> None:
        """Let go of everything: others hold it."""
        for held in self._held.values():
            held.drop()
        self._held.clear()
        self.hands.broker = 0
        for hand in self.hands.topics.values():
            hand.messages.clear()
            hand.is_doubtful = False

    def _take(self, name: str, hand: Hand, taken: Taken) -> None:
        """Have in hand what was claimed."""
        hand.messages.extend(self.hold(name, taken))
        if taken.messages or taken.has_more:
            self._on_ready(name)
            self._give_back_unwanted(name, hand)

    def _wanted(self, name: str) -> int:
        """Say how many messages somebody here has room for; 1 where nobody says."""
        demand = self.hands.demand
        return 1 if demand is None else demand(name)

    def _give_back_unwanted(self, name: str, hand: Hand) -> None:
        """Let others have what nobody here wants any more."""
        if hand.messages and self._wanted(name) <= 0:
            while hand.messages:
                claim, position, _ = hand.messages.popleft()
                self.release(claim, position)

    async def _give_up_unknown(self, name: str, hand: Hand) -> None:
        """Let go in the store of what may have been claimed, though no answer came."""
        with suppress(StorageUnavailable):
            figures = await self._store.figures([name])
            if name in figures:
                number = figures[name].number
                held = self._held.get(number)
                known = held.rows if held else []
                await self._writer_of(name).ask(Disown(number, known))
            hand.is_doubtful = False
