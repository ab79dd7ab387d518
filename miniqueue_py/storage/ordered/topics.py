"""What is done to topics as a whole: given a policy, removed, put in another's place.

A topic is its number, and its name stands in one small record. So a topic that
takes another's place brings all its messages along by writing that record, and
the note that the other is to be swept: one batch, however many messages.

Of the new one nothing is handed out before that batch is durable, and until
then the old one is kept, to be put back if it never is. After a failed write
that is what the disk has. After a failed fsync the disk may have either, and
the old one is put back too: its messages were confirmed and those of the new
one were not, who asked is told that it failed, and what a publish wrote that
failed is not shown until a restart either. What a restart then finds is whole.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy, encode_policy
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.ordered.agenda import Agendas
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.past import Past
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer
from miniqueue_py.storage.ordered.writing.janitor import Janitor


class _Replacement(NamedTuple):
    """What it takes to finish one, or to undo it."""

    topic: TopicState
    name: str
    source: str
    is_new: bool
    """There was no source: it was made for this."""
    policy: TopicPolicy
    """That of the source."""
    before: TopicState | None
    spaces: bytes
    """Where that is to be swept."""


class Topics:
    """Changes topics, in memory and in this turn's batch."""

    def __init__(  # noqa: PLR0913  handed in by name, by the one engine
        self,
        *,
        committer: Committer,
        catalogue: Catalogue,
        past: Past,
        janitor: Janitor,
        agendas: Agendas,
        on_ready: Callable[[str], None],
    ) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._past = past
        self._janitor = janitor
        self._agendas = agendas
        self._on_ready = on_ready
        self._replacing = asyncio.Lock()
        """Held until it is known what became of a replacement."""

    def remove_leftovers(self) -> None:
        """Remove what an earlier process left hidden or half swept."""
        leftovers, doomed = self._catalogue.leftovers, self._catalogue.doomed
        for topic in leftovers:
            doomed[topic.id] = self._janitor.doom(topic, self._catalogue.last_id)
        for topic_id, spaces in doomed.items():
            self._janitor.sweep(topic_id, spaces)
        leftovers.clear()
        doomed.clear()

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
            spaces = self._remove(topic)
            self._past.drop(topic)
            self._janitor.sweep(topic.id, spaces)
            await self._committer.durable(None)

    async def replace(self, name: str, source: str) -> None:
        """Put a topic in another's place; see `Storage.replace`."""
        self._committer.check_failure()
        if name == source:
            return
        await self._replacing.acquire()
        try:
            written = self._committer.durable(None)
        except StorageUnavailable:
            self._replacing.release()
            raise
        # From here to the end nothing is flushed: all of it is one batch.
        replacement = self._put_in_place(name, source)
        written.add_done_callback(lambda done: self._finish(replacement, done))
        await asyncio.shield(written)

    def _put_in_place(self, name: str, source: str) -> _Replacement:
        before, is_new = self._catalogue.get(name), self._catalogue.get(source) is None
        topic = self._catalogue.open(source)
        policy = topic.durable_policy
        spaces = self._remove(before) if before else b""
        self._catalogue.rename(topic, name)
        self._put_policy(topic, before.policy if before else DEFAULT_POLICY)
        topic.durable_policy = topic.policy
        topic.is_unconfirmed = True
        return _Replacement(topic, name, source, is_new, policy, before, spaces)

    def _finish(self, replacement: _Replacement, done: "asyncio.Future[None]") -> None:
        self._replacing.release()
        replacement.topic.is_unconfirmed = False
        before = replacement.before
        if done.exception() is not None:
            self._undo(replacement)
        elif before is not None:
            self._past.drop(before)
            # Not before: it might have to be put back, whole.
            self._janitor.sweep(before.id, replacement.spaces)
        self._on_ready(replacement.name)

    def _undo(self, replacement: _Replacement) -> None:
        """Put back what was there, as a restart would find it if nothing had been written."""
        topic, name, source, is_new, policy, before, _ = replacement
        if self._catalogue.get(name) is not topic:
            return  # deleted since, which failed as well
        if is_new or self._catalogue.get(source) is not None:
            self._catalogue.remove(topic)
        else:
            self._catalogue.rename(topic, source)
            topic.policy = topic.durable_policy = policy
        if before is not None:
            before.begin_anew()
            self._catalogue.restore(before)
            self._agendas.look_again()

    def _remove(self, topic: TopicState) -> bytes:
        """Remove a topic in this turn's batch; return the spaces where it is to be swept."""
        self._catalogue.remove(topic)
        topic.leased.clear()
        return self._janitor.doom(topic, self._catalogue.last_id)

    def _put_policy(self, topic: TopicState, policy: TopicPolicy) -> None:
        topic.policy = policy
        self._committer.put(topic, keys.policy_key(topic.id), encode_policy(policy))
