"""The one place that says yes or no, for every door.

`identify` tells who asks, `allow` whether he may. What lasts is held, and
looked at again whenever rights change: it ends when its right is gone.
"""

from collections.abc import Hashable
from typing import NamedTuple, Protocol

from miniqueue_py.broker.clock import Clock
from miniqueue_py.http.access.account import Account
from miniqueue_py.http.access.audit import Audit
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.refusals import (
    AccessRefused,
    Forbidden,
    NotAuthenticated,
    TooManyRequests,
    TooManyStreams,
)
from miniqueue_py.http.access.rights import ADMIN, Right
from miniqueue_py.http.access.sessions import Sessions
from miniqueue_py.http.exchange import Request

LOOK_SECONDS = 0.5
"""Between two looks at what has changed: a right that is taken away ends streams within 1 s."""

LONGEST_CREDENTIAL = 8192
"""Bytes of an Authorization field that are looked at."""

_MOST_KNOWN = 10_000
"""Credentials that need no second look."""

_BEARER = b"bearer"
AUTHORIZATION = b"authorization"


Grants = dict[tuple[bytes, bytes], Account]
"""Whose requests were allowed, by the Authorization and the rest of the path: the token that it
was, for the topic that it was."""


class Identity(NamedTuple):
    """Who a credential belongs to, and the key under which that can be asked again."""

    key: Hashable
    principal: Principal


class Source(Protocol):
    """Knows whose credentials are."""

    def find(self, secret: bytes) -> Identity | None:
        """Return whose it is, if anybody's."""
        ...

    def current(self, key: Hashable) -> Principal | None:
        """Return who that is now."""
        ...

    def want_reload(self) -> None:
        """Read everything at the next look, whether it has changed or not."""
        ...

    async def look(self) -> bool:
        """Read what has changed; tell if anything has."""
        ...


class Access:
    """Knows who asks, and says what he may."""

    def __init__(self, clock: Clock, audit: Audit, source: Source) -> None:
        self._clock = clock
        self.now = clock.now
        self.audit = audit
        self._source = source
        self.sessions = Sessions(clock)
        self._accounts: dict[Hashable, Account] = {}
        # Of right credentials alone. A dict compares one with another only when their keyed
        # 64-bit hashes are the same, so its time tells nothing about what is in it.
        self._known: dict[bytes, Account] = {}
        self._grants: list[Grants] = []

    def __repr__(self) -> str:
        return f"<Access, {len(self._accounts)} accounts>"

    def identify(self, request: Request, authorization: bytes | None = None) -> Account:
        """Return who asks, by that or by what the request has itself.

        Raises NotAuthenticated and TooManyRequests.
        """
        header = request.first.get(AUTHORIZATION, b"") if authorization is None else authorization
        account = self._known.get(header)
        if account is None:
            account = self._identify(request, header)
        if self.now() >= account.ends_at:
            told = f"the token {account.principal.name} is expired"
            raise self._refused(request, NotAuthenticated("expired", told), account)
        bucket = account.bucket
        if bucket is not None and not bucket.take(self._clock.monotonic()):
            wait_seconds = max(1, round(bucket.wait_seconds))
            many = TooManyRequests(account.principal.name, bucket.per_second, wait_seconds)
            raise self._refused(request, many, account)
        return account

    def allow(self, account: Account, request: Request, right: Right, topic: str) -> None:
        """Let a request go on if its account has that right. Raises Forbidden."""
        principal = account.principal
        if not principal.may(right, topic):
            refusal = Forbidden(principal.name, right, topic)
            raise self._refused(request, refusal, account, right, topic)
        if right is ADMIN:
            self.audit.note_admin(request, principal.name, right, topic)

    def new_grants(self) -> Grants:
        """Return where somebody keeps what was allowed: it is empty again when rights change."""
        grants: Grants = {}
        self._grants.append(grants)
        return grants

    def check_room(self, account: Account, request: Request) -> None:
        """Let a request go on that will last. Raises TooManyStreams."""
        if not account.has_room():
            refusal = TooManyStreams(account.principal.name, account.principal.streams or 0)
            raise self._refused(request, refusal, account)

    def want_reload(self) -> None:
        """Read everything soon, whether it has changed or not."""
        self._source.want_reload()

    async def look(self) -> None:
        """Read what has changed, and end what is not lawful any more."""
        if await self._source.look():
            self._known.clear()
            for grants in self._grants:
                grants.clear()
            now = self._clock.monotonic()
            for key, account in self._accounts.items():
                account.change(self._source.current(key), now)
        now = self._clock.now()
        for key, account in list(self._accounts.items()):
            self._end_unlawful(account, now)
            account.forget_ended()
            is_nobody = account.is_revoked or account.principal.is_expired(now)
            if is_nobody and account.is_idle:
                del self._accounts[key]

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001  the boundary: the next change is seen
                self.audit.note_not_reloaded("rights", repr(error))
            await self._clock.sleep(LOOK_SECONDS)

    def _identify(self, request: Request, header: bytes) -> Account:
        if not header:
            told = "this needs a token, and none came"
            raise self._refused(request, NotAuthenticated("no_token", told))
        scheme, _, secret = header.partition(b" ")
        identity = None
        if scheme.lower() == _BEARER and len(secret) <= LONGEST_CREDENTIAL:
            identity = self._source.find(secret.strip())
        if identity is None:
            told = "the token is not known here"
            raise self._refused(request, NotAuthenticated("unknown", told))
        account = self._accounts.get(identity.key)
        if account is None:
            account = Account(identity.principal, self._clock.monotonic())
            self._accounts[identity.key] = account
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[header] = account
        return account

    def _refused(
        self,
        request: Request,
        error: AccessRefused,
        account: Account | None = None,
        right: Right | None = None,
        topic: str = "",
    ) -> AccessRefused:
        name = account.principal.name if account is not None else ""
        self.audit.note_refused(request, error, name, right, topic)
        return error

    def _end_unlawful(self, account: Account, now: float) -> None:
        ended = account.unlawful(now)
        for stream, right, topic in ended:
            stream.forbid(Forbidden(account.principal.name, right, topic))
        if ended:
            self.audit.note_ended(account.principal.name, len(ended))
