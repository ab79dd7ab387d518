"""What observers are told of publishing, of time and of the store.

Without an observer no fact is put together. What becomes of deliveries is told
where they are handed out and settled.
"""

import asyncio
from collections.abc import Sequence

from miniqueue_py.broker.events import (
    Expired,
    Loaded,
    Observers,
    Published,
    Purged,
    Refused,
    Restored,
    StorageFailed,
    StorageRecovered,
)
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.broker.refusals import reason_of
from miniqueue_py.broker.storage import Moved, Storage
from miniqueue_py.errors import MiniqueueError


class Reports:
    """States facts to the observers."""

    def __init__(self, storage: Storage, observers: Observers) -> None:
        self._storage = storage
        self._observers = observers
        self._told_cause: str | None = None

    def published(
        self,
        topic: str,
        publications: Sequence[Publication],
        done: "asyncio.Future[Sequence[Stored]]",
    ) -> None:
        """Tell how storing these ended."""
        error = done.exception()
        if error is not None:
            self.state()
            if isinstance(error, MiniqueueError):
                self.refused(topic, error)
        elif self._observers:
            new = [
                publication
                for publication, stored in zip(publications, done.result(), strict=True)
                if not stored.is_duplicate
            ]
            self._observers.tell(
                Published(
                    topic,
                    sum(len(each.bodies) for each in new),
                    sum(sum(map(len, each.bodies)) for each in new),
                    len(publications) - len(new),
                )
            )

    def refused(self, topic: str, error: MiniqueueError) -> None:
        """Tell that a publish was refused; doors do, of what `Broker.publish` never sees."""
        if self._observers:
            self._observers.tell(Refused(topic, reason_of(error)))

    def loaded(self, topic: str, messages: int) -> None:
        """Tell that a topic has these messages now and no others; who loaded them does."""
        if self._observers:
            self._observers.tell(Loaded(topic, messages))

    def purged(self, topic: str) -> None:
        """Tell that a topic was deleted."""
        if self._observers:
            self._observers.tell(Purged(topic))

    def moved(self, moved: Moved) -> None:
        """Tell what time has brought back, and ended."""
        if self._observers and moved.restored:
            self._observers.tell(Restored(moved.restored))
        if self._observers and moved.expired:
            self._observers.tell(Expired(moved.expired))

    def state(self) -> None:
        """Tell whether the store takes messages, if that is not what was told last."""
        failure = self._storage.failure
        cause = failure.cause if failure else None
        if cause == self._told_cause:
            return
        self._told_cause = cause
        if self._observers:
            self._observers.tell(StorageFailed(cause) if cause else StorageRecovered())
