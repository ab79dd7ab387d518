"""What time does to messages, in slices: delays end, lives end, the past is forgotten."""

from collections.abc import Callable

from miniqueue_py.broker.storage import Moved
from miniqueue_py.storage.ordered.agenda import Agendas
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.line import Line
from miniqueue_py.storage.ordered.moves import Moves
from miniqueue_py.storage.ordered.past import Past
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer


class Timetable:
    """Makes the moves whose time has come."""

    def __init__(  # noqa: PLR0913  handed in by name, by the one engine
        self,
        *,
        committer: Committer,
        catalogue: Catalogue,
        agendas: Agendas,
        past: Past,
        moves: Moves,
        line: Line,
        on_ready: Callable[[str], None],
    ) -> None:
        self._committer = committer
        self._catalogue = catalogue
        self._agendas = agendas
        self._past = past
        self._moves = moves
        self._line = line
        self._on_ready = on_ready
        self._at: float | None = None
        """The instant whose moves are being made."""
        self._with_room: set[TopicState] = set()
        """Topics that have positions at the front for what is due then."""
        self._limit = 0
        """How many records may still be looked at."""
        self._restored = self._expired = 0

    def release_due(self, now: float, limit: int) -> Moved:
        """Make the moves whose time has come; see `Storage.release_due`."""
        if now != self._at:
            self._at = now
            self._with_room.clear()
        self._limit = limit
        self._restored = self._expired = 0
        now_ms = int(now * 1000)
        self._end_delays(now_ms)
        self._end_lives(now_ms)
        self._limit -= self._past.forget(now, self._limit)
        has_more = self._limit <= 0
        if not has_more:
            self._at = None
        return Moved(self._restored, self._expired, has_more)

    def _end_delays(self, now_ms: int) -> None:
        touched: dict[TopicState, None] = {}
        for key, record in self._agendas.delays.read_due(now_ms, self._limit):
            self._limit -= 1
            _, topic_id, position = keys.delayed_fields(key)
            topic = self._catalogue.with_id(topic_id)
            if topic is None or key in topic.hidden:
                continue  # the janitor removes it, or it is noted again when it is durable
            message = self._line.read_at(topic, position, record)
            if message is None:
                continue
            if message.has_expired(now_ms):
                self._moves.drop_delayed(topic, key, message)
                self._expired += 1
                continue
            if topic not in self._with_room:
                topic.reserve_front()
                self._with_room.add(topic)
            front = topic.take_front()
            if front is None:
                break  # until the next release, which has new room
            self._moves.restore(topic, key, message, front)
            self._restored += 1
            touched[topic] = None
        for topic in touched:
            self._on_ready(topic.name)

    def _end_lives(self, now_ms: int) -> None:
        for key, _ in self._agendas.expiries.read_due(now_ms, self._limit):
            self._limit -= 1
            message_key = keys.message_of_expiry(key)
            topic = self._catalogue.with_id(keys.topic_id_of(message_key))
            if topic is None or message_key in topic.leased or message_key in topic.hidden:
                continue  # it is noted again when it returns, or is durable
            record = self._committer.get(message_key)
            message = None if record is None else self._line.read(topic, message_key, record)
            if record is None or message is None:
                continue
            topic.window.discard(message_key)
            self._moves.expire(topic, message_key, message)
            self._expired += 1
