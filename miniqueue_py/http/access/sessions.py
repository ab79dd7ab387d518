"""Who signed in with a browser: a cookie stands for a token, at pages that only show something.

A session is in memory alone, and good for as long as its token: it is looked up
anew each time, so that a token that is taken away ends it too.
"""

from collections.abc import Mapping
from secrets import token_urlsafe
from typing import NamedTuple

from miniqueue_py.broker.clock import Clock
from miniqueue_py.http.access.secrets import digest_of
from miniqueue_py.http.exchange import Request

SESSION_COOKIE = "__Host-miniqueue"
"""A browser takes a cookie of this name only over TLS, and for no other host."""

LONGEST_SECONDS = 12 * 3600.0
MOST_SESSIONS = 1000

_LONGEST_COOKIES = 8192


class _Session(NamedTuple):
    authorization: bytes
    ends_at: float
    """By the monotonic clock."""


class Sessions:
    """Those that are open; the oldest gives way to one too many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[bytes, _Session] = {}

    def __repr__(self) -> str:
        return f"<Sessions, {len(self._open)} open>"

    def begin(self, authorization: bytes) -> str:
        """Return the cookie of a new one."""
        secret = token_urlsafe(32)
        if len(self._open) >= MOST_SESSIONS:
            del self._open[next(iter(self._open))]
        ends_at = self._clock.monotonic() + LONGEST_SECONDS
        self._open[digest_of(secret.encode())] = _Session(authorization, ends_at)
        return secret

    def find(self, request: Request) -> bytes:
        """Return the Authorization that a request's cookie stands for; empty if there is none."""
        cookie = cookies_of(request).get(SESSION_COOKIE)
        session = self._open.get(digest_of(cookie.encode())) if cookie else None
        if session is None or self._clock.monotonic() >= session.ends_at:
            return b""
        return session.authorization

    def end(self, request: Request) -> None:
        """Forget the one of a request. Idempotent."""
        if cookie := cookies_of(request).get(SESSION_COOKIE):
            self._open.pop(digest_of(cookie.encode()), None)


def cookies_of(request: Request) -> Mapping[str, str]:
    """Return a request's cookies; over HTTP/2 they may come one in a field."""
    fields = [value for name, value in request.headers if name == b"cookie"]
    text = b";".join(fields)[:_LONGEST_COOKIES].decode("latin-1")
    pairs = (pair.strip().partition("=") for pair in text.split(";"))
    return {name: value for name, _, value in pairs}
