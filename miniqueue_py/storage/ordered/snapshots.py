"""The ready messages of a topic as they stand at one moment, read later.

What the window holds is kept aside, as it is in memory anyway. What lies
beyond is read from a snapshot of LevelDB's, which shows nothing that was
written since. So a backlog of any size is read without being held. While a
snapshot is open, no compaction gives back the space of what it shows.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, filterfalse
from typing import Any

import plyvel

from miniqueue_py.broker.message import Message
from miniqueue_py.errors import StorageCorrupt, StorageUnavailable
from miniqueue_py.storage.keyvalue.leveldb.files import words_of
from miniqueue_py.storage.keyvalue.leveldb.verified import check_end
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.window import Entry
from miniqueue_py.storage.ordered.writing.committer import Committer


class Snapshots:
    """Looks at topics, at leisure."""

    def __init__(self, database: Any, committer: Committer, catalogue: Catalogue) -> None:
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
        with self._database.snapshot() as snapshot:
            beyond = self._beyond(snapshot, topic, horizon)
            entries = chain(window, (each for each in beyond if each[0] not in others))
            yield self._live(topic, entries, now_ms)

    def _beyond(self, snapshot: Any, topic: TopicState, horizon: bytes) -> Iterator[Entry]:
        start, stop = horizon + b"\x00", keys.message_range(topic.id)[1]
        if start < stop:
            with snapshot.iterator(
                start=start, stop=stop, verify_checksums=True, fill_cache=False
            ) as entries:
                last: deque[Entry] = deque([(horizon, b"")], maxlen=1)
                yield from filterfalse(last.append, entries)
                check_end(snapshot, last[0][0])

    def _live(self, topic: TopicState, entries: Iterable[Entry], now_ms: int) -> Iterator[Message]:
        """Yield the messages; one that cannot be read ends it, or a part would pass for all."""
        try:
            for key, record in entries:
                message = records.decode(record, topic.implied_id(keys.position_of(key)))
                if not message.has_expired(now_ms):
                    yield message
        except plyvel.CorruptionError as error:
            # A bad block costs its own messages, and who reads past it says so.
            raise StorageUnavailable(
                f"topic {topic.name!r} is damaged: {words_of(error)}"
            ) from error
        except (plyvel.Error, StorageCorrupt) as error:
            self._committer.fail(error)
            self._committer.check_failure()
        except RuntimeError as error:  # plyvel's word for it
            if not self._database.closed:
                raise
            raise StorageUnavailable("the database was closed") from error
