"""The ready messages of a topic as they stand at one moment, read later.

What the window holds is kept aside, as it is in memory anyway. What lies
beyond is read from a snapshot of the database, which shows nothing that was
written since. So a backlog of any size is read without being held. While a
snapshot is open, no compaction gives back the space of what it shows.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

from miniqueue_py.broker.message import Message
from miniqueue_py.errors import StorageCorrupt, StorageUnavailable
from miniqueue_py.storage.keyvalue.database import (
    Database,
    DatabaseClosed,
    DatabaseFailed,
    Entry,
    RecordDamaged,
)
from miniqueue_py.storage.keyvalue.words import words_of
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer


class Snapshots:
    """Looks at topics, at leisure."""

    def __init__(self, database: Database, committer: Committer, catalogue: Catalogue) -> None:
        self._database = database
        self._committer = committer
        self._catalogue = catalogue

    @contextmanager
    def open(self, name: str, now_ms: int) -> Iterator[Iterator[Message]]:
        """Show what is ready now until the block ends; see `Storage.snapshot`."""
        self._committer.flush()
        self._committer.check_failure()
        topic = self._catalogue.get(name)
        if topic is None:
            yield iter(())
            return
        window, horizon = list(topic.window), topic.window.horizon
        others = {key for key in chain(topic.leased, topic.hidden) if key > horizon}
        stop = keys.message_range(topic.id)[1]
        with self._database.snapshot(min(horizon + b"\x00", stop), stop) as beyond:
            entries = chain(window, (each for each in beyond if each[0] not in others))
            yield self._live(topic, entries, now_ms)

    def _live(self, topic: TopicState, entries: Iterable[Entry], now_ms: int) -> Iterator[Message]:
        """Yield the messages; one that cannot be read ends it, or a part would pass for all."""
        try:
            for key, record in entries:
                message = records.decode(record, topic.implied_id(keys.position_of(key)))
                if not message.has_expired(now_ms):
                    yield message
        except RecordDamaged as error:
            # A bad block costs its own messages, and who reads past it says so.
            raise StorageUnavailable(
                f"topic {topic.name!r} is damaged: {words_of(error)}"
            ) from error
        except DatabaseClosed as error:
            raise StorageUnavailable(words_of(error)) from error
        except (DatabaseFailed, StorageCorrupt) as error:
            self._committer.fail(error)
            self._committer.check_failure()
