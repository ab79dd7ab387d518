"""Which ranges of keys could not be read, and what that is in words."""

from collections.abc import Callable

from miniqueue_py.broker.message import id_text
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.topic_state import TopicState

FindTopic = Callable[[int], TopicState | None]
"""Finds a topic by its id."""

MOST_NOTED = 1000
"""A disk with more is told of by these."""

_KEY_BYTES = len(keys.message_key(0, 0))

_SPACES = {
    keys.DELAYED: "delayed messages",
    keys.DOOMED: "notes of deleted topics",
    keys.POLICIES: "policies",
    keys.EXPIRIES: "when messages expire",
    keys.KEPT_KEYS: "idempotency keys",
    keys.KEPT_ORDER: "the order of idempotency keys",
    keys.BATCHES: "counts of batches",
    keys.BATCH_ORDER: "the order of batches",
}


class Damages:
    """Notes each range once, whoever met it from whichever side."""

    def __init__(self, find: FindTopic) -> None:
        self._find = find
        self.told: list[str] = []
        """What was mended when it was opened."""
        self._starts: dict[bytes, bytes] = {}
        """Where each begins, by where it ends."""
        self._words: dict[bytes, str] = {}

    def note(self, start: bytes, stop: bytes) -> None:
        """Take note of `start <= key < stop`; in any thread."""
        known = self._starts.get(stop)
        if known is None and len(self._starts) < MOST_NOTED:
            self._starts[stop] = start
        elif known is not None:
            self._starts[stop] = min(start, known)

    def in_words(self) -> tuple[str, ...]:
        """Return a sentence for each; it stays the same once it was told."""
        for stop, start in list(self._starts.items()):
            if stop not in self._words:
                self._words[stop] = words_of_gap(start, stop, self._find)
        return (*self.told, *self._words.values())


def words_of_gap(start: bytes, stop: bytes, find: FindTopic) -> str:
    """Say what cannot be read between two keys."""
    space = start[:1]
    if space != keys.MESSAGES or len(start) < keys.ID_BYTES:
        what = _SPACES.get(space, "records")
        return f"{what} between {start.hex()} and {stop.hex()} cannot be read"
    topic_id = keys.topic_id_of(start)
    topic = find(topic_id)
    name = f"topic {topic.name!r}" if topic else f"deleted topic {topic_id}"
    return f"messages of {name} {_between(topic_id, start, stop)} cannot be read"


def _between(topic_id: int, start: bytes, stop: bytes) -> str:
    """Say which messages, by the ids that messages published there have."""
    topic = TopicState(topic_id, "")
    said = []
    if len(start) >= _KEY_BYTES:
        sender, sequence = topic.id_at(start[:_KEY_BYTES])
        is_behind = len(start) > _KEY_BYTES
        said.append(f"from {id_text((sender, sequence + is_behind))}")
    if len(stop) >= _KEY_BYTES and stop.startswith(keys.priority_of(start)):
        said.append(f"to before {id_text(topic.id_at(stop[:_KEY_BYTES]))}")
    return " ".join(said) or "anywhere"
