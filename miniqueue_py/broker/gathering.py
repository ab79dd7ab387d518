"""Messages that come one by one and are stored together: a turn of the loop, a topic.

What is published in one turn to one topic is admitted, appended and confirmed
as a batch is, with one future and one fact for all. So in a crowd a message
costs what a line of a batch costs.

Nobody notices but by the speed. If the whole is refused it is tried again in
halves, down to the publication that is meant: just those are refused that
would have been refused alone, in the order in which they came.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, count, groupby, repeat
from operator import itemgetter
from typing import Any, Protocol

from miniqueue_py.broker.admission import Caps
from miniqueue_py.broker.message import Publication, Stored, stored_of
from miniqueue_py.broker.reports import Reports
from miniqueue_py.errors import MiniqueueError, ShuttingDown, StorageUnavailable

Answer = Stored | Exception
"""A MiniqueueError, or what nobody foresaw, as it was raised."""

OnDone = Callable[[Answer], None]

_terms = itemgetter(slice(1, None))


class Append(Protocol):
    """Admits publications and begins to store them. Raises what `Broker.publish` does."""

    def __call__(
        self, topic: str, publications: Sequence[Publication], *, caps: Caps
    ) -> "asyncio.Future[Sequence[Stored]]": ...


_Gathered = tuple[Caps, list[Publication], list[OnDone]]
"""What came for one topic so far in this turn, and who is to be told of each."""


class Gathering:
    """Publications of this turn, until they are stored together."""

    def __init__(self, append: Append, reports: Reports) -> None:
        self._append = append
        self._reports = reports
        self._topics: dict[str, _Gathered] = {}

    def __repr__(self) -> str:
        return f"<Gathering, {len(self._topics)} topics>"

    def add(self, topic: str, publication: Publication, on_done: OnDone, caps: Caps) -> None:
        """Publish one body with what else comes in this turn."""
        gathered = self._topics.get(topic)
        if gathered is None or gathered[0] is not caps:
            gathered = self._begin(topic, caps)
        _, publications, to_tell = gathered
        publications.append(publication)
        to_tell.append(on_done)

    def count(self, topic: str) -> int:
        """Count what came for a topic and is not with the store yet."""
        gathered = self._topics.get(topic)
        return len(gathered[1]) if gathered else 0

    def flush(self) -> None:
        """Begin to store what was gathered, before anything that comes later."""
        topics = self._topics
        try:
            for topic in list(topics):
                gathered = topics.pop(topic, None)
                if gathered is not None:  # else somebody who was dealt a message has published
                    self._store(topic, *gathered)
        finally:
            if topics:  # one of them met with what nobody expects
                asyncio.get_running_loop().call_soon(self.flush)

    def _begin(self, topic: str, caps: Caps) -> _Gathered:
        if topic in self._topics:
            self.flush()  # under other caps; the order of the topic is kept
        if not self._topics:
            asyncio.get_running_loop().call_soon(self.flush)
        gathered = self._topics[topic] = (caps, [], [])
        return gathered

    def _store(
        self, topic: str, caps: Caps, publications: list[Publication], on_done: list[OnDone]
    ) -> None:
        try:
            together = publications if len(publications) == 1 else list(_together(publications))
            stored = self._append(topic, together, caps=caps)
        except MiniqueueError as error:
            if len(publications) == 1 or isinstance(error, ShuttingDown):
                self._refuse(topic, error, on_done)
                return
        except Exception as error:  # noqa: BLE001  the callers tell of it: they know their requests
            self._refuse(topic, error, on_done)
            return
        else:
            stored.add_done_callback(partial(self._finish, topic, together, on_done))
            return
        half = len(publications) // 2
        self._store(topic, caps, publications[:half], on_done[:half])
        self._store(topic, caps, publications[half:], on_done[half:])

    def _finish(
        self,
        topic: str,
        together: list[Publication],
        on_done: list[OnDone],
        done: "asyncio.Future[Sequence[Stored]]",
    ) -> None:
        try:
            stored = done.result()
        except Exception as error:  # noqa: BLE001  as above
            self._refuse(topic, error, on_done)
            return
        try:
            self._reports.published(topic, together, stored)
        finally:
            if len(on_done) == 1:
                on_done[0](stored[0])
            else:
                tell(zip(on_done, _each(together, stored), strict=True))

    def _refuse(self, topic: str, error: Exception, on_done: list[OnDone]) -> None:
        if isinstance(error, StorageUnavailable):
            self._reports.state()
        if isinstance(error, MiniqueueError):
            for _ in on_done:
                self._reports.refused(topic, error)
        # Not at once: `add` may flush, and its caller is not called back from inside.
        asyncio.get_running_loop().call_soon(tell, zip(on_done, repeat(error)))


def _together(publications: Sequence[Publication]) -> Iterator[Publication]:
    """Yield neighbours under the same terms as one; a key makes one of its own."""
    for terms, alike in groupby(publications, _terms):
        if terms[-1] is None:
            yield Publication([body for [body], *_ in alike], *terms)
        else:
            yield from alike


def _each(together: Sequence[Publication], stored: Sequence[Stored]) -> Iterator[Stored]:
    """Yield what became of each body."""
    return chain.from_iterable(map(_numbered, together, stored))


def _numbered(publication: Publication, stored: Stored) -> Iterator[Stored]:
    (topic, first), is_duplicate = stored
    ids = zip(repeat(topic, len(publication.bodies)), count(first))
    return map(stored_of, zip(ids, repeat(is_duplicate)))


def tell(answers: Iterator[tuple[Callable[[Any], None], Any]]) -> None:
    """Call each with its answer."""
    try:
        for on_done, answer in answers:
            on_done(answer)
    except BaseException:
        # The others have their answer all the same.
        asyncio.get_running_loop().call_soon(tell, answers)
        raise
