"""Why a request is refused, as errors: whose answers problems.py makes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.access.rights import EVERY_TOPIC, Right, shown_topic

Reason = Literal["no_token", "unknown", "expired", "right", "rate", "streams"]
REASONS: tuple[Reason, ...] = ("no_token", "unknown", "expired", "right", "rate", "streams")

Fields = tuple[tuple[bytes, bytes], ...]


class AccessRefused(MiniqueueError):
    """Whoever asks may not: the sentence tells what is missing."""

    reason: Reason = "right"
    fields: Fields = ()
    """Of the answer's head."""
    members: Mapping[str, str] = MappingProxyType({})
    """Of its body, beside the sentence: for a program."""


class NotAuthenticated(AccessRefused):
    """No token came, or one that is nobody's, or not any more: ask with another one."""

    def __init__(self, reason: Reason, told: str) -> None:
        super().__init__(f"{told}; send Authorization: Bearer TOKEN")
        self.reason = reason
        challenge = b'Bearer realm="miniqueue"'
        if reason != "no_token":  # RFC 6750, section 3.1
            challenge += b', error="invalid_token"'
        self.fields = ((b"www-authenticate", challenge),)


class Forbidden(AccessRefused):
    """Whoever asks is known, and lacks a right: have it given, or ask for something else."""

    def __init__(self, name: str, right: Right, topic: str) -> None:
        super().__init__(f"{name} lacks the right {right} on {shown_topic(topic)}")
        self.right = right
        self.topic = topic
        self.members = {"right": right} | ({} if topic == EVERY_TOPIC else {"topic": topic})
        scope = b'Bearer realm="miniqueue", error="insufficient_scope", scope="%b"'
        self.fields = ((b"www-authenticate", scope % right.encode()),)


class TooManyRequests(AccessRefused):
    """The token's requests of this moment are used up: repeat when its bucket has filled."""

    reason: Reason = "rate"

    def __init__(self, name: str, per_second: float, wait_seconds: int) -> None:
        super().__init__(f"{name} may make {per_second:g} requests a second; try again later")
        self.members = {"limit": "rate"}
        self.fields = (
            # draft-ietf-httpapi-ratelimit-headers
            (b"ratelimit-policy", b'"token";q=%d;w=1' % max(1, int(per_second))),
            (b"ratelimit", b'"token";r=0;t=%d' % wait_seconds),
        )


class TooManyStreams(AccessRefused):
    """The token has as many streams open as it may: end one."""

    reason: Reason = "streams"

    def __init__(self, name: str, most: int) -> None:
        super().__init__(f"{name} may have {most} streams open at once; end one")
        self.members = {"limit": "streams"}
