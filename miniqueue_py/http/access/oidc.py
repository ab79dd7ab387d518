"""Tokens of an issuer: JSON Web Tokens (RFC 7519), by the keys that it publishes.

The issuer says who somebody is; what they may is in the file of tokens, in the lines
whose claim= the token has. Nothing is fetched for a request: keys are got when
the broker starts to look, again every while, and when a token names one that is
not known, though not more often than a stranger may cause.
"""

import asyncio
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt
from jwt import PyJWK, PyJWTError

from miniqueue_py.broker.clock import Clock
from miniqueue_py.http.access.access import Identity
from miniqueue_py.http.access.audit import Audit
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import RIGHTS
from miniqueue_py.http.access.token_line import TokenLine
from miniqueue_py.http.access.token_source import TokenSource

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Of keys in two halves, and no others: with HS256 the public half would be the secret."""

LEEWAY_SECONDS = 30.0
"""By which the issuer's clock may differ from ours."""

REFRESH_SECONDS = 300.0
HURRY_SECONDS = 10.0
"""At least between two fetches, however many unknown keys are named."""

FETCH_SECONDS = 5.0
PATIENCE_SECONDS = 0.25
"""One look waits for the issuer no longer."""

LONGEST_ANSWER_BYTES = 1 << 20
MOST_KEYS = 100
LONGEST_TOKEN = 8192


class Keys:
    """The public keys of an issuer, by their names."""

    def __init__(self, issuer: str, clock: Clock, audit: Audit) -> None:
        self.issuer = issuer
        self._clock = clock
        self._audit = audit
        self._by_name: Mapping[str, PyJWK] = {}
        self._text = ""
        self._is_wanted = True
        self._fetched_at = -REFRESH_SECONDS
        self._problem = ""
        self._fetching: asyncio.Task[Published] | None = None
        """Under way for longer than one look may wait."""

    def __repr__(self) -> str:
        return f"<Keys of {self.issuer}, {len(self._by_name)}>"

    def find(self, name: str) -> PyJWK | None:
        """Return a key; one that is not known is asked for soon."""
        key = self._by_name.get(name)
        if key is None:
            self._is_wanted = True
        return key

    async def look(self) -> bool:
        """Fetch the keys if it is time; tell if there are others than before.

        An issuer that is slow is not waited for: what it says is taken at a later look, since
        rights that are taken away in the file end streams by the same looks.
        """
        if self._fetching is None:
            waited = self._clock.monotonic() - self._fetched_at
            if waited < (HURRY_SECONDS if self._is_wanted else REFRESH_SECONDS):
                return False
            self._fetched_at, self._is_wanted = self._clock.monotonic(), False
            self._fetching = asyncio.create_task(asyncio.to_thread(fetch_keys, self.issuer))
        await asyncio.wait({self._fetching}, timeout=PATIENCE_SECONDS)
        if not self._fetching.done():
            return False
        fetched, self._fetching = self._fetching, None
        error = fetched.exception()
        if isinstance(error, OSError | ValueError):
            if self._problem != str(error):  # an issuer that is away is told once
                self._problem = str(error)
                self._audit.note_not_reloaded(self.issuer, self._problem)
            return False
        self._problem = ""
        keys = fetched.result()
        if keys.text == self._text:
            return False
        self._by_name, self._text = dict(_read_keys(keys.told)), keys.text
        self._audit.note_reloaded(self.issuer, keys=len(self._by_name))
        return True


class _Signed(NamedTuple):
    """A token that was right, by which it can be asked again if it is."""

    text: bytes


class OidcSource:
    """Whoever the issuer knows, and whoever has a token of the file."""

    def __init__(self, tokens: TokenSource, keys: Keys, audience: str, clock: Clock) -> None:
        self._tokens = tokens
        self._keys = keys
        self._audience = audience
        self._clock = clock

    def __repr__(self) -> str:
        return f"<OidcSource, {self._keys!r}, {self._tokens!r}>"

    def find(self, secret: bytes) -> Identity | None:
        if secret.count(b".") != 2:  # noqa: PLR2004  as every signed token has them
            return self._tokens.find(secret)
        principal = self._principal_of(secret)
        return None if principal is None else Identity(_Signed(secret), principal)

    def current(self, key: Hashable) -> Principal | None:
        return (
            self._principal_of(key.text) if isinstance(key, _Signed) else self._tokens.current(key)
        )

    def want_reload(self) -> None:
        self._tokens.want_reload()

    async def look(self) -> bool:
        has_other_keys = await self._keys.look()
        return await self._tokens.look() or has_other_keys

    def _principal_of(self, secret: bytes) -> Principal | None:
        """Return who that is by the keys and the lines of this moment, if it is anybody."""
        if len(secret) > LONGEST_TOKEN:
            return None
        with suppress(PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            head = jwt.get_unverified_header(secret)
            name = head.get("kid")
            key = self._keys.find(name) if isinstance(name, str) else None
            # By the key, and not by what the token says of it.
            if key is None or head.get("alg") != key.algorithm_name:
                return None
            claims = jwt.decode(
                secret,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._keys.issuer,
                options={
                    "require": ["exp", "iat", "aud", "iss", "sub"],
                    # By our clock, below.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            if _is_now(claims, self._clock.now()):
                return principal_of(claims, self._tokens.claiming)
        return None


def principal_of(claims: Mapping[str, Any], lines: Sequence[TokenLine]) -> Principal | None:
    """Return who that is: all that the lines allow whose claims they have; None if none has."""
    theirs = [line.principal for line in lines if any(_has(claims, *each) for each in line.claims)]
    if not theirs:
        return None
    rates = [each.requests_per_second for each in theirs]
    streams = [each.streams for each in theirs]
    ends = [each.expires_at for each in theirs if each.expires_at is not None]
    return Principal(
        name=f"oidc:{claims['sub'][:200]}",
        scopes={
            right: tuple(
                dict.fromkeys(glob for each in theirs for glob in each.scopes.get(right, ()))
            )
            for right in RIGHTS
        },
        expires_at=min([_end_of(claims), *ends]),
        requests_per_second=None if None in rates else max(filter(None, rates)),
        streams=None if None in streams else max(each for each in streams if each is not None),
    )


class Published(NamedTuple):
    """The keys of an issuer, as it tells them."""

    told: Sequence[Any]
    text: str


def fetch_keys(issuer: str) -> Published:
    """Return the keys that an issuer publishes. Raises OSError and ValueError. It blocks."""
    found = _fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        raise ValueError("whoever answers there is another issuer")
    keys = _fetch(str(found.get("jwks_uri"))).get("keys")
    told = keys[:MOST_KEYS] if isinstance(keys, list) else []
    return Published(told, json.dumps(told))


def _read_keys(keys: Sequence[Any]) -> Iterator[tuple[str, PyJWK]]:
    for told in keys:
        with suppress(PyJWTError, ValueError, TypeError, KeyError, AttributeError):
            if told.get("use", "sig") == "sig" and isinstance(told["kid"], str):
                key = PyJWK.from_dict(told)
                if key.algorithm_name in ALGORITHMS:
                    yield told["kid"], key


def _fetch(url: str) -> dict[str, Any]:
    """Return the JSON object at a URL. Raises OSError and ValueError."""
    if urlsplit(url).scheme != "https":
        raise ValueError("an issuer's keys are fetched by https alone")
    request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310
    https = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    opener = urllib.request.build_opener(https, _StayHere)
    try:
        with opener.open(request, timeout=FETCH_SECONDS) as answer:
            text = answer.read(LONGEST_ANSWER_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()  # it is the answer, and has the connection
        raise
    if len(text) > LONGEST_ANSWER_BYTES:
        raise ValueError("the answer has no end")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("the answer is no object of JSON")  # noqa: TRY004  as all that is wrong there
    return found


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Nobody sends us elsewhere: that could be in clear, or inside our own network."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _has(claims: Mapping[str, Any], name: str, wanted: str) -> bool:
    """Tell if a claim has a value: as text, as one of its words, or as one of a list."""
    value = claims.get(name)
    if isinstance(value, str):
        return value == wanted or wanted in value.split(" ")
    return isinstance(value, list) and wanted in value


def _end_of(claims: Mapping[str, Any]) -> float:
    return float(claims["exp"]) + LEEWAY_SECONDS


def _is_now(claims: Mapping[str, Any], now: float) -> bool:
    begins = max(float(claims["iat"]), float(claims.get("nbf", 0)))
    return isinstance(claims["sub"], str) and begins - LEEWAY_SECONDS <= now < _end_of(claims)
