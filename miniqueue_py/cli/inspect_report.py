"""What `miniqueue inspect` tells: in words, and as JSON with the names of the wire."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.broker.administration import Overview
from miniqueue_py.broker.message import id_text
from miniqueue_py.broker.policy import DEFAULT_POLICY, policy_as_json
from miniqueue_py.cli.legible import counted, legible, legible_body
from miniqueue_py.cli.output import age_in_words, print_facts, print_table, size_in_words
from miniqueue_py.http.messages import as_object
from miniqueue_py.http.overviews import overview_as_json

if TYPE_CHECKING:
    from miniqueue_py.storage.ordered.offline.inspection import Inspection, Kept, TopicOnDisk

_BODY_SHOWN = 60
"""Characters."""


def print_inspection(inspection: "Inspection", topic: str | None, now: float) -> None:
    topics = [each for each in inspection.topics if topic in {None, each.name}]
    if topic is None:
        print_facts(_facts(inspection))
        print()
    if topics:
        rows = [_row(each, now) for each in topics]
        print_table(["topic", "ready", "delayed", "size", "oldest", "died", "keys"], rows)
    rules = {legible(each.name): text for each in topics if (text := _rules(each))}
    if rules:
        print()
        print_facts(rules)
    if inspection.messages:
        print()
        _print_messages(inspection.messages, now)


def _facts(inspection: "Inspection") -> dict[str, str]:
    topics = inspection.topics
    messages = sum(each.statistics.ready + each.statistics.delayed for each in topics)
    facts = {
        "database": legible(str(inspection.path)),
        "format": inspection.format or _no_format(inspection),
        "size": f"{size_in_words(inspection.bytes)} in {counted(inspection.files, 'file')}",
        "holds": f"{counted(messages, 'message')} in {counted(len(topics), 'topic')}",
    }
    if inspection.unswept:
        facts["deleted"] = f"{counted(inspection.unswept, 'topic')}, still taking space"
    return facts


def _no_format(inspection: "Inspection") -> str:
    return "cannot be read" if inspection.damages else "none: nothing was ever written"


def _row(topic: "TopicOnDisk", now: float) -> list[str]:
    statistics = topic.statistics
    return [
        legible(topic.name),
        f"{statistics.ready:,}",
        f"{statistics.delayed:,}",
        size_in_words(statistics.bytes),
        age_in_words(_age(topic.oldest_ms, now)),
        f"{statistics.buried:,}",
        f"{topic.kept_keys:,}",
    ]


def _rules(topic: "TopicOnDisk") -> str:
    """Return in words what is not as it is by default."""
    default = policy_as_json(DEFAULT_POLICY)
    rules = [
        f"{name} {value if isinstance(value, int | float) else json.dumps(value)}"
        for name, value in policy_as_json(topic.policy).items()
        if value != default[name]
    ]
    return ", ".join(["paused"] * topic.policy.is_paused + rules)


def _print_messages(messages: "Sequence[Kept]", now: float) -> None:
    ids = [id_text(message.id) for message, _ in messages]
    ages = [age_in_words(_age(message.published_ms, now)) for message, _ in messages]
    sizes = [size_in_words(len(message.body)) for message, _ in messages]
    widths = [max(map(len, column)) for column in (ids, ages, sizes)]
    for kept, *cells in zip(messages, ids, ages, sizes, strict=True):
        message_id, age, size = (f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        body = legible_body(kept.message.body, _BODY_SHOWN)
        print("  ".join([message_id, age, size, *_marks(kept, now), body]))


def _marks(kept: "Kept", now: float) -> list[str]:
    """Return in words what is not as with most messages."""
    message, due_ms = kept
    extras = message.extras
    marks = []
    if due_ms is not None:
        marks.append(f"due in {age_in_words(max(0.0, due_ms / 1000 - now))}")
    if extras.attempts:
        marks.append(f"attempt {message.attempt}")
    if extras.priority:
        marks.append(f"priority {extras.priority}")
    if message.has_expired(int(now * 1000)):
        marks.append("expired")
    if extras.origin is not None:
        marks.append(f"from {legible(extras.origin.topic)} ({legible(extras.origin.reason)})")
    return [f"[{', '.join(marks)}]"] if marks else []


def as_json(inspection: "Inspection", topic: str | None, now: float) -> dict[str, object]:
    value: dict[str, object] = {
        "database": str(inspection.path),
        "format": inspection.format,
        "files": inspection.files,
        "bytes": inspection.bytes,
        "deletedTopics": inspection.unswept,
        "topics": [
            _topic_as_json(each, now) for each in inspection.topics if topic in {None, each.name}
        ],
    }
    if topic is not None:
        value["messages"] = [_message_as_json(kept) for kept in inspection.messages]
    return value | {"damages": inspection.damages}


def _topic_as_json(topic: "TopicOnDisk", now: float) -> dict[str, object]:
    """Return it with the names of the wire."""
    age = _age(topic.oldest_ms, now)
    told = overview_as_json(Overview(topic.name, topic.statistics, age, 0, topic.policy))
    for word in ("inFlight", "consumers"):  # nobody has a database open that is inspected
        del told[word]
    return told | {"keys": topic.kept_keys}


def _message_as_json(kept: "Kept") -> object:
    """Return it as peek does; one that is set aside also says until when."""
    return json.loads(as_object(kept.message, due_ms=kept.due_ms))


def _age(since_ms: int | None, now: float) -> float | None:
    return None if since_ms is None else max(0.0, now - since_ms / 1000)
