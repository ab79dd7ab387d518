"""Things to do at an instant, written in a space of keys that sorts by it.

The first that was not looked at is known, so a tick with nothing due reads
nothing, and reading begins there: below lie deleted keys, slow to step over.
"""

from collections.abc import Iterator

from miniqueue_py.broker.message import Message
from miniqueue_py.storage import fates
from miniqueue_py.storage.keyvalue.database import Entry
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer


class Agenda:
    """What is due when, of all topics, in one space of keys."""

    def __init__(self, committer: Committer, space: bytes) -> None:
        self._committer = committer
        self._end = bytes((space[0] + 1,))
        self._space = space
        self._next = space

    @property
    def dead_range(self) -> tuple[bytes, bytes]:
        """Return the range that holds little else than deleted keys."""
        return self._space, self._next

    @property
    def live_range(self) -> tuple[bytes, bytes]:
        """Return the range in which everything is that there is to do."""
        return self._next, self._end

    def note(self, key: bytes) -> None:
        """Look at that key, again perhaps, when its instant has come."""
        self._next = min(self._next, key)

    def read_due(self, now_ms: int, limit: int) -> Iterator[Entry]:
        """Yield up to `limit` of what is due, the earliest first.

        Whoever takes an entry deletes its key, or sees to it that it is noted
        again. An entry counts as looked at when the next is asked for.
        """
        after = keys.instant_key(self._space, now_ms + 1)
        if self._next >= after or limit <= 0:
            return
        self._committer.flush()
        for number, entry in enumerate(self._committer.read(self._next, self._end)):
            self._next = entry[0]
            if number == limit or entry[0] >= after:
                return
            yield entry
        self._next = self._end


class Agendas:
    """Which messages come due, and which expire."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self.delays = Agenda(committer, keys.DELAYED)
        self.expiries = Agenda(committer, keys.EXPIRIES)

    @property
    def dead_ranges(self) -> list[tuple[bytes, bytes]]:
        return [self.delays.dead_range, self.expiries.dead_range]

    def delayed_entry(
        self, topic: TopicState, position: int, message: Message, until: float
    ) -> Entry:
        """Return what to write of a delayed message; positions keep equal ones in order."""
        # With its id: it will return under a key that does not tell.
        due_ms = fates.due_ms(message, until)
        return keys.delayed_key(due_ms, topic.id, position), records.encode(message, None)

    def add_delay(self, topic: TopicState, entry: Entry) -> None:
        self._committer.put(topic, *entry)
        self.delays.note(entry[0])

    def add_expiry(self, topic: TopicState, expires_ms: int, message_key: bytes) -> None:
        key = keys.expiry_key(expires_ms, message_key)
        topic.may_expire = True
        self._committer.put(topic, key, b"")
        self.expiries.note(key)

    def look_again(self) -> None:
        """Look at everything again: some of it was passed over, and does count."""
        self.delays.note(keys.DELAYED)
        self.expiries.note(keys.EXPIRIES)

    def note_expiry(self, message_key: bytes, message: Message) -> None:
        """Look again at a message that could not be removed when it expired."""
        expires_ms = message.extras.expires_ms
        if expires_ms is not None:
            self.expiries.note(keys.expiry_key(expires_ms, message_key))
