"""What observers are told of publishing, of time and of the store.

A fact that happens for each message is put together only if somebody listens.
What becomes of deliveries is told where they are handed out and settled.
"""

import asyncio
from collections.abc import Sequence

from miniqueue_py.broker.events import (
    ClockStepped,
    Deleted,
    Expired,
    Loaded,
    Observers,
    Published,
    Purged,
    Refused,
    Restored,
    StorageDamaged,
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
        self._told_damages = 0

    def ended(
        self,
        topic: str,
        publications: Sequence[Publication],
        kept: "asyncio.Future[Sequence[Stored]]",
        done: "asyncio.Future[Sequence[Stored]]",
    ) -> None:
        """Tell how storing these ended, and also who waits for `kept`."""
        error = done.exception()
        if error is None:
            if not kept.done():
                kept.set_result(done.result())
            self.published(topic, publications, done.result())
            return
        if not kept.done():
            kept.set_exception(error)
            kept.exception()  # so that the loop does not complain if nobody asks for it
        self.state()
        if isinstance(error, MiniqueueError):
            self.refused(topic, error)

    def published(
        self, topic: str, publications: Sequence[Publication], stored: Sequence[Stored]
    ) -> None:
        """Tell that these are durable."""
        if Published not in self._observers.kinds:
            return
        messages = size = duplicates = 0
        for publication, (_, is_duplicate) in zip(publications, stored, strict=True):
            if is_duplicate:
                duplicates += 1
            else:
                messages += len(publication.bodies)
                size += sum(map(len, publication.bodies))
        self._observers.tell(Published(topic, messages, size, duplicates))

    def refused(self, topic: str, error: MiniqueueError) -> None:
        """Tell that a publish was refused; doors do, of what `Broker.publish` never sees."""
        if Refused in self._observers.kinds:
            self._observers.tell(Refused(topic, reason_of(error)))

    def loaded(self, topic: str, messages: int) -> None:
        """Tell that a topic has these messages now and no others; who loaded them does."""
        self._observers.tell(Loaded(topic, messages))

    def deleted(self, topic: str) -> None:
        """Tell that a topic was deleted."""
        self._observers.tell(Deleted(topic))

    def purged(self, topic: str, messages: int) -> None:
        """Tell that so many messages were removed, which is all that a topic had."""
        self._observers.tell(Purged(topic, messages))

    def moved(self, moved: Moved) -> None:
        """Tell what time has brought back, and ended."""
        if moved.restored:
            self._observers.tell(Restored(moved.restored))
        if moved.expired:
            self._observers.tell(Expired(moved.expired))

    def stepped(self, seconds: float) -> None:
        """Tell that the machine's clock was set; the timekeeper does."""
        self._observers.tell(ClockStepped(seconds))

    def state(self) -> None:
        """Tell whether the store takes messages, and what is damaged, if that was not told."""
        damages = self._storage.damages
        for what in damages[self._told_damages :]:
            self._observers.tell(StorageDamaged(what))
        self._told_damages = len(damages)
        failure = self._storage.failure
        cause = failure.cause if failure else None
        if cause == self._told_cause:
            return
        self._told_cause = cause
        self._observers.tell(StorageFailed(cause) if cause else StorageRecovered())
