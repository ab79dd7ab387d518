"""The token that goes along with every request: a text, or a function that gets one.

A function is asked when the first request needs a token, and again when the broker
has refused one that it took before: so it need not know when its tokens end.
"""

from collections.abc import Awaitable, Callable
from inspect import isawaitable

import anyio

from miniqueue_py.client.http2.streams import Header
from miniqueue_py.client.terms import check_header

TokenLike = str | Callable[[], str | Awaitable[str]]
"""A token, or what gets one, and a new one when that is refused."""


class Token:
    """What a client proves with who it is. Raises BadParameter for what cannot travel."""

    def __init__(self, given: TokenLike | None) -> None:
        self._renew = given if callable(given) else None
        self._value = check_header("token", given) if isinstance(given, str) else None
        self._has_worked = False
        self._renewing = anyio.Lock()

    def __repr__(self) -> str:
        return f"<Token, {'renewable' if self._renew else 'fixed'}>"  # and never what it is

    async def get(self) -> str | None:
        """Return it; None if there is none. Raises BadParameter, and what the function does."""
        if self._value is None and self._renew is not None:
            async with self._renewing:
                if self._value is None:
                    got = self._renew()
                    value = await got if isawaitable(got) else got
                    self._has_worked = False
                    self._value = check_header("token", value)
        return self._value

    def note_taken(self, used: str | None) -> None:
        """Take note that the broker knew it."""
        if used == self._value:
            self._has_worked = True

    def is_renewed(self, refused: str | None) -> bool:
        """Tell if another one than that may be had, because it was good once."""
        if self._renew is None:
            return False
        if refused == self._value:
            if not self._has_worked:
                return False
            self._value = None
        return True


def headers_of(token: str | None) -> tuple[Header, ...]:
    return () if token is None else (("authorization", f"Bearer {token}"),)
