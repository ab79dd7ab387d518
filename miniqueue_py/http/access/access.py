"""The one place that says yes or no, for every door.

`identify` tells who asks, `allow` whether they may. What lasts is held, and
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


Grants = dict[tuple[bytes, bytes, bytes], Account]
"""Whose requests were allowed, by the Authorization, the client certificate and the rest of the
path: the token and the certificate that it was, for the topic that it was."""


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


class CertificateSource(Protocol):
    """Knows whose client certificates are; they are in DER."""

    def with_certificate(self, principal: Principal, certificate: bytes) -> Principal | None:
        """Return somebody for as long as it lasts; None if it does not count."""
        ...

    def principal_of(self, certificate: bytes) -> Principal | None:
        """Return who shows it, if anybody may by it."""
        ...

    def want_reload(self) -> None:
        """Read everything at the next look, whether it has changed or not."""
        ...

    async def look(self) -> bool:
        """Read what has changed; tell if anything has."""
        ...


class _Key(NamedTuple):
    """By what somebody is known: a token, a client certificate, or both where both are wanted."""

    token: Hashable
    """None: no token."""
    certificate: bytes


class Access:
    """Knows who asks, and says what they may."""

    def __init__(
        self,
        clock: Clock,
        audit: Audit,
        source: Source,
        certificates: CertificateSource | None = None,
        *,
        requires_both: bool = False,
    ) -> None:
        self._clock = clock
        self.now = clock.now
        self.audit = audit
        self._source = source
        self._certificates = certificates
        self._requires_both = requires_both
        """A token counts with a client certificate alone, and says what may be done."""
        self.sessions = Sessions(clock)
        self._accounts: dict[_Key, Account] = {}
        # Of right credentials alone. A dict compares one with another only when their keyed
        # 64-bit hashes are the same, so its time tells nothing about what is in it.
        self._known: dict[tuple[bytes, bytes], Account] = {}
        self._grants: list[Grants] = []

    def __repr__(self) -> str:
        return f"<Access, {len(self._accounts)} accounts>"

    def identify(self, request: Request, authorization: bytes | None = None) -> Account:
        """Return who asks, by that or by what the request has itself.

        Raises NotAuthenticated and TooManyRequests.
        """
        header = request.first.get(AUTHORIZATION, b"") if authorization is None else authorization
        shown = (header, request.certificate)
        account = self._known.get(shown)
        if account is None:
            account = self._identify(request, *shown)
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
        if self._certificates is not None:
            self._certificates.want_reload()

    async def look(self) -> None:
        """Read what has changed, and end what is not lawful any more."""
        has_changed = await self._source.look()
        if self._certificates is not None and await self._certificates.look():
            has_changed = True
        if has_changed:
            self._known.clear()
            for grants in self._grants:
                grants.clear()
            now = self._clock.monotonic()
            for key, account in self._accounts.items():
                account.change(self._current(key), now)
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

    def _identify(self, request: Request, header: bytes, certificate: bytes) -> Account:
        try:
            key, principal = self._find(header, certificate)
        except NotAuthenticated as error:
            raise self._refused(request, error) from None
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(principal, self._clock.monotonic())
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[header, certificate] = account
        return account

    def _find(self, header: bytes, certificate: bytes) -> tuple[_Key, Principal]:
        """Return who shows that. Raises NotAuthenticated."""
        certificates = self._certificates
        if header:
            scheme, _, secret = header.partition(b" ")
            identity = None
            if scheme.lower() == _BEARER and len(secret) <= LONGEST_CREDENTIAL:
                identity = self._source.find(secret.strip())
            if identity is None:
                raise NotAuthenticated("unknown", "the token is not known here")
            if not self._requires_both:
                return _Key(identity.key, b""), identity.principal
            principal = None
            if certificates is not None and certificate:
                principal = certificates.with_certificate(identity.principal, certificate)
            if principal is None:
                told = "the token needs a client certificate beside it, of a CA that is known here"
                raise NotAuthenticated("unknown", told)
            return _Key(identity.key, certificate), principal
        if certificates is None or not certificate or self._requires_both:
            raise NotAuthenticated("no_token", "this needs a token, and none came")
        principal = certificates.principal_of(certificate)
        if principal is None:
            raise NotAuthenticated("unknown", "the client certificate is nobody's here")
        return _Key(None, certificate), principal

    def _current(self, key: _Key) -> Principal | None:
        """Return who that is now."""
        certificates = self._certificates
        if key.token is None:
            return None if certificates is None else certificates.principal_of(key.certificate)
        principal = self._source.current(key.token)
        if principal is None or not key.certificate or certificates is None:
            return principal
        return certificates.with_certificate(principal, key.certificate)

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
