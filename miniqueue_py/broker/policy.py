"""What a topic's owner decides for it: leases, retries, dead letters, expiry, caps.

A policy is checked where it comes in, as JSON, with the names of the wire; so
is one that was stored, because the two forms are the same but for `isPaused`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from miniqueue_py.errors import BadPolicy, BadTopicName, Contradiction, StorageCorrupt
from miniqueue_py.topic_names import check_topic_name
from miniqueue_py.units import parse_duration

LONGEST_SECONDS = 2**31 - 1
MOST_DELIVERIES = 2**31 - 1
LARGEST_CAP = 2**63 - 1
LARGEST_FACTOR = 1000
LONGEST_QUOTE = 50
"""Characters of a client's own words in an error."""

_DURATION_HINT = "give seconds as a number, or text such as 30s"

_Reader = Callable[[object], object]
"""Returns what a field means. Raises ValueError with the end of a sentence, "is not ..."."""
_Fields = Mapping[str, tuple[str, _Reader]]
"""Names on the wire, names here, and how the value is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a message waits before it is tried again."""

    initial: float = 1.0
    factor: float = 2.0
    max: float = 300.0
    jitter: float = 0.1

    def seconds(self, attempt: int, chance: float) -> float:
        """Return the wait after that attempt, from 1; `chance` from [0, 1) decides the jitter."""
        try:
            growth = float(self.factor) ** (attempt - 1)  # of an int it could be endless digits
            exact = min(self.max, self.initial * growth)
        except OverflowError:
            exact = self.max
        return exact * (1 + self.jitter * (2 * chance - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPolicy:
    """The rules of one topic; None is the broker's own way."""

    lease: float | None = None
    """Seconds in which a delivery must be settled; None: as long as its connection lasts."""
    max_deliveries: int | None = None
    """After so many attempts a message is a dead letter; None: never."""
    dead_letter: str | None = None
    """The topic for dead letters; None: `dead_letter_of` names it."""
    backoff: Backoff | None = None
    """None: a message that was not done is ready again at once."""
    ttl: float | None = None
    """Seconds from its publish in which a message must be delivered."""
    max_messages: int | None = None
    max_bytes: int | None = None
    dedupe_window: float = 300.0
    """Seconds for which an idempotency key is remembered; 0: not at all."""
    is_paused: bool = False

    def dead_letter_of(self, topic: str) -> str:
        """Return the name of the topic where dead letters of `topic` go."""
        return self.dead_letter or f"{topic}.dead"


DEFAULT_POLICY = TopicPolicy()


def policy_from_json(value: object) -> TopicPolicy:
    """Return the policy that a client sent. Raises BadPolicy and Contradiction."""
    _refuse_unknown(value, _FIELDS)
    if isinstance(value, dict):
        _refuse_unknown(value.get("backoff"), _BACKOFF_FIELDS, "backoff.")
    return TopicPolicy(**_read(value, _FIELDS))


def policy_as_json(policy: TopicPolicy) -> dict[str, object]:
    """Return it with the names of the wire; durations are seconds, null is the default."""
    return _write(policy, _FIELDS)


def encode_policy(policy: TopicPolicy) -> bytes:
    """Return all of it, for a store."""
    value = _write(policy, _STORED_FIELDS)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def decode_policy(record: bytes) -> TopicPolicy:
    """Return what was encoded, by this version or a later one. Raises StorageCorrupt."""
    try:
        return TopicPolicy(**_read(json.loads(record), _STORED_FIELDS))
    except (ValueError, RecursionError, BadPolicy, Contradiction) as error:
        raise StorageCorrupt(f"a stored policy cannot be read: {error}") from error


def _refuse_unknown(value: object, fields: _Fields, where: str = "") -> None:
    if isinstance(value, dict) and (unknown := [key for key in value if key not in fields]):
        name = f"{where}{unknown[0][:LONGEST_QUOTE]}"
        raise BadPolicy(f"{name!a} is unknown; known are {', '.join(fields)}")


def _read(value: object, fields: _Fields, where: str = "") -> dict[str, Any]:
    """Return the arguments of the class whose fields these are; null is none."""
    if not isinstance(value, dict):
        raise BadPolicy(f"{where.removesuffix('.') or 'it'} is not a JSON object")
    arguments: dict[str, Any] = {}
    for key, (name, read) in fields.items():
        item = value.get(key)
        if item is None:
            continue
        try:
            arguments[name] = read(item)
        except ValueError as error:
            raise BadPolicy(f"{where}{key} {error}") from None
    return arguments


def _write(values: TopicPolicy | Backoff, fields: _Fields) -> dict[str, object]:
    return {key: _as_json(getattr(values, name)) for key, (name, _) in fields.items()}


def _as_json(value: object) -> object:
    if isinstance(value, Backoff):
        return _write(value, _BACKOFF_FIELDS)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 30, as people write it
    return value


def _duration(value: object) -> float:
    seconds = _duration_or_zero(value)
    if not seconds:
        raise ValueError(f"is not longer than 0; {_DURATION_HINT}")
    return seconds


def _duration_or_zero(value: object) -> float:
    seconds = parse_duration(value) if isinstance(value, str) else value
    if not _is_number(seconds):
        raise ValueError(f"is not a duration; {_DURATION_HINT}")
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"is not from 0 to {LONGEST_SECONDS} seconds; {_DURATION_HINT}")
    return float(seconds)


def _number_between(least: int, most: int) -> _Reader:
    def read(value: object) -> float:
        if _is_number(value) and least <= value <= most:
            return float(value)
        raise ValueError(f"is not a number from {least} to {most}")

    return read


def _count_up_to(most: int) -> _Reader:
    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
            return value
        raise ValueError(f"is not a whole number from 1 to {most}")

    return read


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _topic(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("is not the name of a topic")  # noqa: TRY004  as all that is refused
    try:
        return check_topic_name(value)
    except BadTopicName as error:
        raise ValueError(f"is not the name of a topic: {error}") from None


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is not true or false")  # noqa: TRY004  as all that is refused
    return value


def _backoff(value: object) -> Backoff:
    backoff = Backoff(**_read(value, _BACKOFF_FIELDS, "backoff."))
    if backoff.initial > backoff.max:
        raise Contradiction(
            f"policy: backoff.initial is {backoff.initial:g} seconds and backoff.max is "
            f"{backoff.max:g}: the first wait cannot be longer than the longest; change one of them"
        )
    return backoff


_BACKOFF_FIELDS: _Fields = {
    "initial": ("initial", _duration),
    "factor": ("factor", _number_between(1, LARGEST_FACTOR)),
    "max": ("max", _duration),
    "jitter": ("jitter", _number_between(0, 1)),
}
_FIELDS: _Fields = {
    "lease": ("lease", _duration),
    "maxDeliveries": ("max_deliveries", _count_up_to(MOST_DELIVERIES)),
    "deadLetter": ("dead_letter", _topic),
    "backoff": ("backoff", _backoff),
    "ttl": ("ttl", _duration),
    "maxMessages": ("max_messages", _count_up_to(LARGEST_CAP)),
    "maxBytes": ("max_bytes", _count_up_to(LARGEST_CAP)),
    "dedupeWindow": ("dedupe_window", _duration_or_zero),
}
_STORED_FIELDS: _Fields = {**_FIELDS, "isPaused": ("is_paused", _flag)}
