"""Publications on their way to the disk.

Until it is durable a message is hidden, though it can be read: nobody is given
one, or sees one come due, whose publisher may still be told that it failed.
"""

from collections.abc import Callable

from miniqueue_py.broker.message import Publication, Stored, stored_of
from miniqueue_py.storage import fates
from miniqueue_py.storage.ordered.agenda import Agendas
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.kept_keys import KeptKeys
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer
from miniqueue_py.storage.ordered.writing.syncer import Arrival
from miniqueue_py.storage.reused_keys import body_digest


class Arrivals:
    """Writes publications, and shows them when they are durable."""

    def __init__(  # noqa: PLR0913  handed in by the one engine
        self,
        committer: Committer,
        catalogue: Catalogue,
        kept_keys: KeptKeys,
        agendas: Agendas,
        on_ready: Callable[[str], None],
        *,
        hides: bool,
    ) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._kept_keys = kept_keys
        self._agendas = agendas
        self._on_ready = on_ready
        self._hides = hides
        """False if what is written is durable by definition, so that nothing need be hidden."""
        committer.watch(on_durable=self._show, on_refused=self._refuse)

    def write(
        self, topic: TopicState, publication: Publication, now: float, keep_keys_for: float
    ) -> Stored:
        """Write a publication in this turn's batch, unless its key is known."""
        bodies, priority, delay_seconds, ttl_seconds, key = publication
        if key is not None:
            known = self._kept_keys.find(topic, key, now)
            if known is not None:
                return Stored(known, is_duplicate=True)
        messages = len(bodies)
        position = topic.back
        topic.back += messages
        first = topic.implied_id(position)
        arrival: Arrival | None = None
        if priority or delay_seconds or ttl_seconds is not None:
            arrival = self._uncommon(topic, position, publication, now) if messages else None
        elif messages:
            prefix = records.common_prefix(int(now * 1000))
            if messages == 1:
                key_of_one = topic.plain_prefix + position.to_bytes(8, "big")
                arrival = topic, [key_of_one], [prefix + bodies[0]]
            else:
                arrived = keys.message_keys(topic.plain_prefix, position, messages)
                arrival = topic, arrived, [prefix + body for body in bodies]
        if key is not None:
            # From here to the end nothing is flushed: see kept_keys.
            self._kept_keys.keep(topic, key, first[1], body_digest(bodies[0]), now + keep_keys_for)
        topic.published += messages
        self._catalogue.count(topic, messages, sum(map(len, bodies)))
        if arrival is not None:
            topic.expect(arrival[1])
            if self._hides:
                topic.hidden.update(arrival[1])
            self._committer.arrive(arrival)
        return stored_of((first, False))

    def _uncommon(
        self, topic: TopicState, position: int, publication: Publication, now: float
    ) -> Arrival:
        """Return messages that have more to them than a body."""
        extras = fates.extras_of(publication, now)
        messages = fates.messages_of(publication, topic.implied_id(position), now)
        if publication.delay_seconds:
            due = now + publication.delay_seconds
            places = enumerate(messages, position)
            delayed = [self._agendas.delayed_entry(topic, *place, due) for place in places]
            return topic, [key for key, _ in delayed], [record for _, record in delayed]
        prefix = keys.message_prefix(topic.id, publication.priority)
        written = keys.message_keys(prefix, position, len(publication.bodies))
        if extras.expires_ms is not None:
            for key in written:
                self._agendas.add_expiry(topic, extras.expires_ms, key)
        return topic, written, [records.encode(each, each.id) for each in messages]

    def _show(self, arrivals: list[Arrival]) -> None:
        touched: dict[TopicState, None] = {}
        for topic, arrived, written in arrivals:
            is_ready = topic.confirm(arrived)
            if topic.is_dead:
                continue
            if not is_ready:
                self._agendas.delays.note(arrived[0])
                continue
            topic.window.extend(arrived, written)
            touched[topic] = None
            if not written[0].startswith(records.COMMON):
                self._agendas.note_expiry(arrived[0], records.decode(written[0], (0, 0)))
        for topic in touched:
            self._on_ready(topic.name)

    def _refuse(self, arrivals: list[Arrival]) -> None:
        for topic, refused, written in arrivals:
            topic.refuse(refused)
            size = sum([len(records.decode(record, (0, 0)).body) for record in written])
            self._catalogue.count(topic, -len(written), -size)
