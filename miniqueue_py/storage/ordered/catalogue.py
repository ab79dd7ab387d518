"""The topics of a database, by name and by number.

A topic has a number, given when it is made. Opening a database of any size
reads one small record a topic, and counts are exact.
"""

from collections.abc import Iterator

from miniqueue_py.broker.policy import decode_policy
from miniqueue_py.broker.storage import is_hidden
from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.topic_state import TopicState


class Catalogue:
    """The topics, and what all of them hold together."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.doomed: dict[int, bytes] = {}
        """Ids of purged topics that are not swept yet, and where something of them may be."""
        self.leftovers: list[TopicState] = []
        """Hidden topics of an earlier process: on disk, and to be removed."""
        self._by_name: dict[str, TopicState] = {}
        self.get = self._by_name.get
        """Find a topic by its name: a builtin, since it is in every message's way."""
        self._hidden: dict[str, TopicState] = {}
        """Those of them that are hidden."""
        self._by_id: dict[int, TopicState] = {}
        self._next_id = 1

    @classmethod
    def read(cls, reads: Database) -> "Catalogue":
        """Return what a database has. Raises StorageCorrupt, and RecordDamaged.

        No topic may be missing: its number would be given again, and its messages with it.
        """
        catalogue = cls()
        for key, record in reads.read_strictly(*keys.whole(keys.TOPICS)):
            state = TopicState.decode(key, record)
            if is_hidden(state.name):
                catalogue.leftovers.append(state)
                catalogue._reserve(state.id)
            else:
                catalogue._add(state)
        for key, record in reads.read(*keys.whole(keys.POLICIES)):
            ruled = catalogue.with_id(keys.topic_id_of(key))
            if ruled is not None:
                ruled.policy = ruled.durable_policy = decode_policy(record)
        for key, spaces in reads.read(*keys.whole(keys.DOOMED)):
            # Early versions did not tell.
            catalogue.doomed[keys.topic_id_of(key)] = spaces or keys.SPACES_OF_TOPICS
        of_all = dict(reads.read_strictly(b"", keys.TOPICS))
        last_known = of_all.get(keys.LAST_TOPIC_KEY)
        known = [] if last_known is None else [keys.topic_id_of(last_known)]
        for topic_id in [*catalogue.doomed, *known]:
            catalogue._reserve(topic_id)
        return catalogue

    def __iter__(self) -> Iterator[TopicState]:
        return iter(self._by_name.values())

    @property
    def last_id(self) -> int:
        """The highest id that was ever given."""
        return self._next_id - 1

    def names(self) -> list[str]:
        """Name the topics that are not hidden."""
        return [name for name in self._by_name if name not in self._hidden]

    def totals(self) -> tuple[int, int]:
        """Count messages and their bytes, but those of hidden topics."""
        hidden = self._hidden.values()
        messages = sum(state.stored + state.delayed for state in hidden)
        return self.messages - messages, self.bytes - sum(state.size for state in hidden)

    def knows(self, name: str) -> bool:
        """Tell if there is a topic of that name that is not hidden."""
        return name in self._by_name and name not in self._hidden

    def with_id(self, topic_id: int) -> TopicState | None:
        return self._by_id.get(topic_id)

    def open(self, name: str) -> TopicState:
        """Return the topic, made now if it is new."""
        state = self._by_name.get(name)
        if state is None:
            state = TopicState(self._next_id, name)
            self._add(state)
        return state

    def remove(self, state: TopicState) -> None:
        """Strike a topic out; its name may be opened anew, under another id."""
        state.is_dead = True
        self.messages -= state.stored + state.delayed
        self.bytes -= state.size
        self._take_name(state)
        del self._by_id[state.id]

    def restore(self, state: TopicState) -> None:
        """Undo that a topic was struck out; nobody has its name."""
        state.is_dead = False
        self._add(state)

    def rename(self, state: TopicState, name: str) -> None:
        """Give a topic another name, which nobody has; its record is not written by this."""
        self._take_name(state)
        self._give_name(state, name)

    def count(self, state: TopicState, messages: int, size: int) -> None:
        """Take note that so much more, or less, is in a topic."""
        state.size += size
        if not state.is_dead:
            self.messages += messages
            self.bytes += size

    def _add(self, state: TopicState) -> None:
        self._give_name(state, state.name)
        self._by_id[state.id] = state
        self.messages += state.stored + state.delayed
        self.bytes += state.size
        self._reserve(state.id)

    def _give_name(self, state: TopicState, name: str) -> None:
        state.name = name
        self._by_name[name] = state
        if is_hidden(name):
            self._hidden[name] = state

    def _take_name(self, state: TopicState) -> None:
        del self._by_name[state.name]
        self._hidden.pop(state.name, None)

    def _reserve(self, topic_id: int) -> None:
        """Never give that id to a new topic."""
        self._next_id = max(self._next_id, topic_id + 1)
