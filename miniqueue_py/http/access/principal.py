"""Somebody who may do something: as the file of tokens says, or an issuer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from miniqueue_py.http.access.rights import Right, is_any_match

_KNOWN_ANSWERS = 1000
"""Of a principal, before they are forgotten: a topic is asked for again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who it is, what it may, and how much of it."""

    name: str
    scopes: Mapping[Right, Sequence[str]] = field(default_factory=dict)
    """The globs of each right; one that is missing is for no topic."""
    expires_at: float | None = None
    """Seconds since the epoch."""
    requests_per_second: float | None = None
    streams: int | None = None
    """At once: subscriptions, batches, requests that wait, WebSockets."""
    _answers: dict[tuple[Right, str], bool] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def may(self, right: Right, topic: str) -> bool:
        """Tell if it has a right on a topic, or on EVERY_TOPIC."""
        asked = (right, topic)
        answer = self._answers.get(asked)
        if answer is None:
            answer = is_any_match(self.scopes.get(right, ()), topic)
            if len(self._answers) >= _KNOWN_ANSWERS:
                self._answers.clear()
            self._answers[asked] = answer
        return answer

    def is_expired(self, now: float) -> bool:
        return self.expires_at is not None and now >= self.expires_at
