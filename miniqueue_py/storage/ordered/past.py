"""What topics know of their past for a while: keys of messages, and counts of batches."""

from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.ordered.batch_counts import BatchCounts
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.kept_keys import KeptKeys
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer
from miniqueue_py.storage.ordered.writing.janitor import Janitor


class Past:
    """Both kinds, of all topics."""

    def __init__(self, committer: Committer, janitor: Janitor) -> None:
        self.keys = KeptKeys(committer, janitor)
        self.batches = BatchCounts(committer, janitor)

    @property
    def size(self) -> int:
        """What it takes on disk."""
        return self.keys.size + self.batches.size

    def read(self, database: Database, catalogue: Catalogue) -> None:
        """Take note of what a database has."""
        for topic in catalogue:
            self.keys.hold(topic)
        self.batches.read(database, catalogue)

    def drop(self, topic: TopicState) -> None:
        """Take note that a topic is gone, and its past with it."""
        self.keys.drop(topic)
        self.batches.drop(topic)

    def make_room(self, topic: TopicState) -> None:
        """Forget the oldest where there is too much. It may flush."""
        self.keys.make_room(topic)
        self.batches.make_room(topic)

    def forget(self, now: float, limit: int) -> int:
        """Forget what was known long enough, as is worth `limit`; say what it was worth."""
        worth = self.keys.forget(now, limit)
        return worth + self.batches.forget(now, limit - worth)
