"""What is done to topics as a whole: given a policy, removed, put in another's place.

A topic is its number, and its name stands in one small record. So a topic that
takes another's place brings all its messages along by writing that record, and
the note that the other is to be swept: one batch, however many messages.
"""

from collections.abc import Callable

from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy, encode_policy
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.leveldb import keys
from miniqueue_py.storage.leveldb.catalogue import Catalogue
from miniqueue_py.storage.leveldb.committer import Committer
from miniqueue_py.storage.leveldb.janitor import Janitor
from miniqueue_py.storage.leveldb.past import Past
from miniqueue_py.storage.leveldb.topic_state import TopicState


class Topics:
    """Changes topics, in memory and in this turn's batch."""

    def __init__(
        self,
        committer: Committer,
        catalogue: Catalogue,
        past: Past,
        janitor: Janitor,
        on_ready: Callable[[str], None],
    ) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._past = past
        self._janitor = janitor
        self._on_ready = on_ready

    async def set_policy(self, name: str, policy: TopicPolicy) -> None:
        """Give a topic a policy; see `Storage.set_policy`."""
        self._committer.check()
        topic = self._catalogue.open(name)
        self._put_policy(topic, policy)
        try:
            await self._committer.durable(None)
            topic.durable_policy = policy
        except StorageUnavailable:
            topic.policy = topic.durable_policy
            raise
        finally:
            self._on_ready(name)

    async def purge(self, name: str) -> None:
        """Remove a topic; see `Storage.purge`."""
        # Without asking for room: this is how room is made.
        self._committer.check_failure()
        topic = self._catalogue.get(name)
        if topic is not None:
            self._remove(topic)
            await self._committer.durable(None)

    async def replace(self, name: str, source: str) -> None:
        """Put a topic in another's place; see `Storage.replace`."""
        self._committer.check_failure()
        if name == source:
            return
        before = self._catalogue.get(name)
        topic = self._catalogue.open(source)
        # From here to the end nothing is flushed: all of it is one batch.
        if before is not None:
            self._remove(before)
        self._catalogue.rename(topic, name)
        self._put_policy(topic, before.policy if before else DEFAULT_POLICY)
        topic.durable_policy = topic.policy
        written = self._committer.durable(None)
        self._on_ready(name)
        await written

    def _remove(self, topic: TopicState) -> None:
        self._catalogue.remove(topic)
        self._past.drop(topic)
        topic.leased.clear()
        self._janitor.doom(topic, self._catalogue.last_id)

    def _put_policy(self, topic: TopicState, policy: TopicPolicy) -> None:
        topic.policy = policy
        self._committer.put(topic, keys.policy_key(topic.id), encode_policy(policy))
