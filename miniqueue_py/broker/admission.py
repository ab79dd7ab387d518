"""What may be published: lengths, caps, and terms that do not contradict each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Storage
from miniqueue_py.errors import CapReached, Contradiction, MessageTooLong


@dataclass(frozen=True, slots=True)
class Limits:
    """What the broker takes; 0 means no limit."""

    max_message_bytes: int = 1 << 20
    max_messages: int = 0
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Caps:
    """What a door lets one topic hold, whatever its policy says; None means no cap."""

    max_messages: int | None = None
    max_bytes: int | None = None
    settings: tuple[str, str] = ("", "")
    """What they are called where they are set."""


NO_CAPS = Caps()

_OF_POLICY = ("maxMessages", "maxBytes")


def admit(
    storage: Storage,
    limits: Limits,
    topic: str,
    publications: Sequence[Publication],
    caps: Caps = NO_CAPS,
) -> tuple[Sequence[Publication], TopicPolicy]:
    """Return what is to be stored, and the topic's policy, under which that is.

    Raises MessageTooLong, Contradiction and CapReached.
    """
    policy = storage.policy(topic)
    messages = size = 0
    for bodies, _, delay_seconds, ttl_seconds, _ in publications:
        length = sum(map(len, bodies))
        if length > limits.max_message_bytes and max(map(len, bodies)) > limits.max_message_bytes:
            raise MessageTooLong(limits.max_message_bytes)
        if delay_seconds:
            _check_life(delay_seconds, policy.ttl if ttl_seconds is None else ttl_seconds)
        messages += len(bodies)
        size += length
    if policy.max_messages is not None or policy.max_bytes is not None:
        _check_caps(storage, topic, (messages, size), policy, _OF_POLICY)
    if caps is not NO_CAPS:
        _check_caps(storage, topic, (messages, size), caps, caps.settings)
    if limits.max_messages or limits.max_bytes:
        _check_broker(storage, limits, messages, size)
    if policy.ttl is not None or not policy.dedupe_window:
        publications = [_under(policy, publication) for publication in publications]
    return publications, policy


def _under(policy: TopicPolicy, publication: Publication) -> Publication:
    if policy.ttl is not None and publication.ttl_seconds is None:
        publication = publication._replace(ttl_seconds=policy.ttl)
    if not policy.dedupe_window and publication.key is not None:
        publication = publication._replace(key=None)
    return publication


def _check_life(delay_seconds: float, ttl: float | None) -> None:
    if ttl is not None and delay_seconds >= ttl:
        raise Contradiction(
            f"a delay of {delay_seconds:g} s outlasts the ttl of {ttl:g} s: "
            "the message would never be delivered"
        )


def _check_caps(
    storage: Storage,
    topic: str,
    coming: tuple[int, int],
    caps: TopicPolicy | Caps,
    settings: tuple[str, str],
) -> None:
    messages, size = coming
    held = storage.statistics(topic)
    if caps.max_messages is not None and held.messages + messages > caps.max_messages:
        raise CapReached(settings[0], caps.max_messages, topic)
    if caps.max_bytes is not None and held.bytes + size > caps.max_bytes:
        raise CapReached(settings[1], caps.max_bytes, topic)


def _check_broker(storage: Storage, limits: Limits, messages: int, size: int) -> None:
    totals = storage.totals()
    if limits.max_messages and totals.messages + messages > limits.max_messages:
        raise CapReached("-max-msgs", limits.max_messages)
    if limits.max_bytes and totals.bytes + size > limits.max_bytes:
        raise CapReached("-max-bytes", limits.max_bytes)
