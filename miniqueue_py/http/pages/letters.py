"""Which dead letters a query names."""

from math import inf

from miniqueue_py.broker.delivery import REDRIVE, Redrive
from miniqueue_py.broker.message import parse_id
from miniqueue_py.broker.policy import LONGEST_SECONDS
from miniqueue_py.broker.redriving import Letters
from miniqueue_py.http.query import Query
from miniqueue_py.protocol.topics import REASONS
from miniqueue_py.topic_names import check_topic_name

FIRST = "first"
"""The word for the topic where a letter died first."""


def letters_of(query: Query, now: float) -> Letters:
    """Return the letters that are meant; all if it names none. Raises BadParameter."""
    ids = query.read_all("id", parse_id)
    age = query.duration("olderThan", None, least=0.0, most=LONGEST_SECONDS)
    return Letters(
        frozenset(ids) if ids else None,
        query.read("reason", _check_reason, None),
        inf if age is None else int((now - age) * 1000),
    )


def destination_of(query: Query) -> Redrive:
    """Return where they are to go: back, unless it says otherwise. Raises BadRequest."""
    topic = query.text("to")
    if topic is None:
        return REDRIVE
    return Redrive(to_first=True) if topic == FIRST else Redrive(topic=check_topic_name(topic))


def _check_reason(text: str) -> str:
    if text not in REASONS:
        raise ValueError(f"is none; known are {', '.join(REASONS)}")
    return text
