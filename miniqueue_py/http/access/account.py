"""A principal at work: what it has used of what it may, and what it has open."""

from math import inf
from typing import Protocol

from miniqueue_py.http.access.bucket import Bucket
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import Right


class Stream(Protocol):
    """What lasts: its right is looked at again while it does."""

    @property
    def is_over(self) -> bool: ...

    def forbid(self, refusal: Exception) -> None:
        """End it, because its right is gone."""
        ...


class Account:
    """One of those who may ask; it outlives what it is known by now."""

    def __init__(self, principal: Principal, now: float) -> None:
        self.principal = principal
        self.ends_at = inf
        """By the calendar."""
        self.is_revoked = False
        self.bucket: Bucket | None = None
        self._streams: dict[Stream, tuple[Right, str]] = {}
        self._set_bounds(now)

    def __repr__(self) -> str:
        return f"<Account of {self.principal.name}, {len(self._streams)} streams>"

    @property
    def is_idle(self) -> bool:
        """True while it has no stream open."""
        return not self._streams

    def change(self, principal: Principal | None, now: float) -> None:
        """Go by what it is now; None if it is nobody any more. `now` is the monotonic clock's."""
        if principal is None:
            self.is_revoked = True
            return
        self.principal, self.is_revoked = principal, False
        self._set_bounds(now)

    def has_room(self) -> bool:
        """Tell if it may open another stream."""
        most = self.principal.streams
        if most is None or len(self._streams) < most:
            return True
        self.forget_ended()
        return len(self._streams) < most

    def hold(self, stream: Stream, right: Right, topic: str) -> None:
        """Take note of a stream that was allowed by that right."""
        self._streams[stream] = right, topic

    def let_go(self, stream: Stream) -> None:
        """Take note that it is over. Idempotent."""
        self._streams.pop(stream, None)

    def forget_ended(self) -> None:
        """Let go of what is over."""
        for stream in [each for each in self._streams if each.is_over]:
            del self._streams[stream]

    def unlawful(self, now: float) -> list[tuple[Stream, Right, str]]:
        """Return the streams that it has no right to any more, and let go of them."""
        principal = self.principal
        is_nobody = self.is_revoked or principal.is_expired(now)
        found = [
            (stream, right, topic)
            for stream, (right, topic) in self._streams.items()
            if is_nobody or not principal.may(right, topic)
        ]
        for stream, _, _ in found:
            del self._streams[stream]
        return found

    def _set_bounds(self, now: float) -> None:
        self.ends_at = inf if self.principal.expires_at is None else self.principal.expires_at
        rate = self.principal.requests_per_second
        if rate is None:
            self.bucket = None
        elif self.bucket is None or self.bucket.per_second != rate:  # or it would be full again
            self.bucket = Bucket(rate, now)
