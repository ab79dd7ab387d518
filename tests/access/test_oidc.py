"""Tokens of an issuer: an issuer of the test's own, with real keys, over HTTPS."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miniqueue_py.http.access import oidc
from miniqueue_py.http.access.oidc import (
    HURRY_SECONDS,
    LEEWAY_SECONDS,
    REFRESH_SECONDS,
    Keys,
    OidcSource,
    fetch_keys,
)
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.access.gate import Gate
from tests.access.issuer import AUDIENCE, Issuer, serving

pytestmark = pytest.mark.anyio

FILE = """\
shop claim=groups:shop publish=orders consume=orders
ops claim=groups:ops,scope:queue.admin admin=* inspect=* rate=50
"""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("issuer"))


class Federated(Gate):
    """Doors that take an issuer's tokens too."""

    def __init__(self, directory: Path, issuer: Issuer) -> None:
        super().__init__(directory)
        self.path.write_text(FILE)
        self.keys = Keys(issuer.url, self.clock, self.audit)
        self.access._source = OidcSource(self.source, self.keys, AUDIENCE, self.clock)

    async def status(self, token: str, target: str = "/publish/orders") -> int:
        return (await self.ask("POST", target, token, b"x")).status


@pytest.fixture
def issuer(certificates: CertificatePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.setattr(oidc, "PATIENCE_SECONDS", 10.0)  # however busy the machine is
    with serving(certificates, now=1_800_000_000.0) as serves:
        serves.rotate("one")
        yield serves


@pytest.fixture
async def gate(tmp_path: Path, issuer: Issuer) -> Federated:
    gate = Federated(tmp_path, issuer)
    await gate.access.look()
    return gate


async def test_an_issuer_that_is_slow_holds_up_no_look_at_the_file(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, answers = Federated(tmp_path, issuer), Event()

    def fetch_slowly(url: str) -> oidc.Published:
        assert answers.wait(30)
        return fetch_keys(url)

    monkeypatch.setattr(oidc, "fetch_keys", fetch_slowly)
    monkeypatch.setattr(oidc, "PATIENCE_SECONDS", 0.0)
    secret = await gate.admit("ci", {"publish": ("orders",)})
    assert await gate.status(secret) == 201
    await gate.revoke("ci")
    assert await gate.status(secret) == 401, "it was taken away, whatever the issuer does"

    answers.set()
    monkeypatch.setattr(oidc, "PATIENCE_SECONDS", 10.0)
    await gate.access.look()
    assert await gate.status(issuer.sign("one")) == 201


async def test_what_the_lines_give_is_what_a_token_may(gate: Federated, issuer: Issuer) -> None:
    shop, ops = issuer.sign("one"), issuer.sign("one", {"groups": None, "scope": "a queue.admin"})
    both = issuer.sign("one", {"groups": ["shop", "ops"]})
    nobody = issuer.sign("one", {"groups": ["others"], "scope": "queue.admins"})

    assert [await gate.status(each) for each in (shop, ops, both, nobody)] == [201, 403, 201, 401]
    purge = "/topics/orders/purge"
    assert [await gate.status(each, purge) for each in (shop, ops, both)] == [403, 200, 200]
    assert gate.lines("access.admin")[0]["who"] == "oidc:alice"
    local = await gate.admit("local")
    assert await gate.status(local) == 201


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
async def test_keys_of_each_kind(gate: Federated, issuer: Issuer, algorithm: str) -> None:
    issuer.rotate("two", algorithm)
    token = issuer.sign("two")
    assert await gate.status(token) == 401, "its key is not known yet"

    await gate.clock.advance(HURRY_SECONDS)
    await gate.access.look()

    assert await gate.status(token) == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://else.example"},
        {"aud": "others"},
        {"aud": None},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"exp": 1_800_000_000 - LEEWAY_SECONDS},
        {"iat": 1_800_000_000 + LEEWAY_SECONDS + 1},
        {"nbf": 1_800_000_000 + LEEWAY_SECONDS + 1},
        {"exp": "soon"},
        {"exp": [1]},
        {"groups": "shopping"},
        {"groups": {"shop": 1}},
    ],
)
async def test_claims_that_are_not_good_enough(
    gate: Federated, issuer: Issuer, changes: dict[str, Any]
) -> None:
    key = issuer.keys["one"][1]
    token = jwt.api_jws.encode(
        json.dumps(issuer.claims(changes)).encode(), key, "RS256", {"kid": "one"}
    )

    assert await gate.status(token) == 401


async def test_clocks_may_differ_by_the_leeway(gate: Federated, issuer: Issuer) -> None:
    now = int(issuer.now)
    early = issuer.sign("one", {"iat": now + 29, "nbf": now + 29})
    late = issuer.sign("one", {"exp": now - 29})

    assert [await gate.status(each) for each in (early, late)] == [201, 201]


async def test_a_stream_ends_with_its_token(gate: Federated, issuer: Issuer) -> None:
    token = issuer.sign("one", {"exp": int(issuer.now) + 60})
    async with gate.begin("POST", "/subscribe/orders", token) as stream:
        await gate.clock.advance(60 + LEEWAY_SECONDS - 1)
        await gate.access.look()
        assert not stream.is_over
        await gate.clock.advance(1)
        await gate.access.look()

        assert stream.values == [{"closing": "forbidden"}]


async def test_a_key_that_is_withdrawn_ends_its_streams_and_no_others(
    gate: Federated, issuer: Issuer
) -> None:
    issuer.rotate("two")
    await gate.clock.advance(REFRESH_SECONDS)
    await gate.access.look()
    old, new = issuer.sign("one"), issuer.sign("two")
    async with (
        gate.begin("POST", "/subscribe/orders", old) as unlawful,
        gate.begin("POST", "/subscribe/orders", new) as lawful,
    ):
        del issuer.keys["one"]
        await gate.clock.advance(REFRESH_SECONDS)
        await gate.access.look()

        assert unlawful.values == [{"closing": "forbidden"}]
        assert not lawful.is_over
    assert [await gate.status(each) for each in (old, new)] == [401, 201]


async def test_another_key_of_the_same_name_is_another_key(gate: Federated, issuer: Issuer) -> None:
    old = issuer.sign("one")
    assert await gate.status(old) == 201
    issuer.rotate("one")
    await gate.clock.advance(REFRESH_SECONDS)
    await gate.access.look()

    assert await gate.status(old) == 401
    assert await gate.status(issuer.sign("one")) == 201


async def test_strangers_do_not_have_keys_fetched_more_often(
    gate: Federated, issuer: Issuer
) -> None:
    stranger = issuer.sign("one", kid="unknown")
    asked = issuer.asked
    for _ in range(40):
        assert await gate.status(stranger) == 401
        await gate.access.look()
        await gate.clock.advance(0.5)

    assert issuer.asked - asked <= 2 * 3  # two pages each time


async def test_an_issuer_that_is_away_changes_nothing_and_is_told_once(
    gate: Federated, issuer: Issuer
) -> None:
    token = issuer.sign("one")
    issuer.is_away = True
    for _ in range(3):
        await gate.clock.advance(REFRESH_SECONDS / 10)
        gate.keys._is_wanted = True
        await gate.access.look()

    assert await gate.status(token) == 201
    assert len(gate.lines("access.not_reloaded")) == 1


async def test_an_issuer_that_says_it_is_another_is_not_believed(
    tmp_path: Path, issuer: Issuer
) -> None:
    gate = Federated(tmp_path, issuer)
    issuer.url = issuer.url.replace("localhost", "127.0.0.1")
    await gate.access.look()

    assert await gate.status(issuer.sign("one")) == 401
    assert "another issuer" in str(gate.lines("access.not_reloaded")[0]["problem"])


DEEP = b'{"a":' * 900


def part(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def forged(issuer: Issuer) -> Iterator[str]:
    """Yield tokens that are not the issuer's, as attackers make them."""
    claims = part(issuer.claims())
    algorithms: tuple[object, ...] = ("none", "None", "NONE", "", None, 1, ["RS256"], {})
    for algorithm in algorithms:
        yield f"{part({'alg': algorithm, 'kid': 'one'})}.{claims}."
        yield f"{part({'alg': algorithm, 'kid': 'one'})}.{claims}.{part(b'x' * 256)}"
    for secret in (issuer.public_pem("one"), b"", b"one"):
        signed = f"{part({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{claims}"
        yield f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"
    mine = Issuer(1, issuer.now)
    mine.rotate("one")
    mine.url = issuer.url
    for kid in ("one", "../../etc/passwd", "https://evil.example/keys", "' or 1=1", "x" * 5000, ""):
        yield mine.sign("one", kid=kid)
    yield mine.sign("one", jku="https://evil.example/keys", x5u="https://evil.example/x")
    jwk = mine.answer("/keys")
    yield mine.sign("one", jwk=jwk["keys"][0])  # type: ignore[index]  # a dict of the test's own
    names: tuple[object, ...] = (None, 1, ["one"], {"one": 1})
    for name in names:
        yield f"{part({'alg': 'RS256', 'kid': name})}.{claims}.{part(b'x' * 256)}"
    good = issuer.sign("one")
    head, body, signature = good.split(".")
    yield f"{head}.{part(issuer.claims({'groups': ['ops']}))}.{signature}"
    yield f"{head}.{body}."
    yield f"{head}.{body}.{signature[:-2]}"
    yield f"{head}.{body}.{part(b'')}"
    yield f"{part({'alg': 'RS256', 'kid': 'one', 'crit': ['x'], 'x': 1})}.{body}.{signature}"
    yield f"{part({'alg': 'RS512', 'kid': 'one'})}.{body}.{signature}"
    yield issuer.sign("one", {"more": "x" * 9000})
    yield f"{'A' * 100_000}.{body}.{signature}"
    yield f"{part(b'[' * 3000)}.{body}.{signature}"
    yield f"{part(DEEP)}.{body}.{signature}"


async def test_forged_tokens_are_refused(gate: Federated, issuer: Issuer) -> None:
    assert await gate.status(issuer.sign("one")) == 201
    refused = [await gate.status(each) for each in forged(issuer)]

    assert len(refused) > 35
    assert set(refused) == {401}
    assert not gate.stumbles


async def test_keys_that_are_no_keys_are_passed_over(gate: Federated, issuer: Issuer) -> None:
    secret = base64.urlsafe_b64encode(b"s" * 32).decode()
    issuer.more_keys = [
        {"kty": "oct", "kid": "oct", "k": secret, "alg": "HS256"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kid": "nothing"},
        {"kty": "RSA"},
        "text",  # type: ignore[list-item]  # as an issuer that is broken has it
        None,  # type: ignore[list-item]
    ]
    await gate.clock.advance(REFRESH_SECONDS)
    await gate.access.look()
    token = jwt.encode(issuer.claims(), b"s" * 32, "HS256", {"kid": "oct"})

    assert set(gate.keys._by_name) == {"one"}
    assert await gate.status(token) == 401
    assert await gate.status(issuer.sign("one")) == 201


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2), st.integers(0, 500), st.integers(1, 255))
def test_a_token_with_a_byte_changed_or_any_bytes_is_refused(
    tmp_path: Path, raw: bytes, which: int, at: int, change: int
) -> None:
    source, good = known_to(tmp_path)
    pieces = good.split(".")
    turned = bytearray(pieces[which].encode())
    turned[at % len(turned)] ^= change
    for token in (b".".join([raw, raw, raw]), _with(pieces, which, bytes(turned))):
        found = source.find(token)
        # Base64 has spellings of the same bytes: the last letter of a part has spare bits.
        assert found is None or _bytes_of(token) == _bytes_of(good.encode())


KNOWN: dict[str, tuple[OidcSource, str]] = {}


def known_to(directory: Path) -> tuple[OidcSource, str]:
    """Return who knows an issuer's key without asking it, and a good token."""
    if not KNOWN:
        issuer = Issuer(1, 1_800_000_000.0)
        issuer.rotate("one")
        gate = Federated(directory, issuer)
        asyncio.run(gate.source.look())
        told: Any = issuer.answer("/keys")
        gate.keys._by_name = {"one": jwt.PyJWK.from_dict(told["keys"][0])}
        source = gate.access._source
        assert isinstance(source, OidcSource)
        KNOWN["one"] = source, issuer.sign("one")
        assert source.find(KNOWN["one"][1].encode())
    return KNOWN["one"]


def _with(pieces: list[str], which: int, turned: bytes) -> bytes:
    return b".".join(turned if i == which else each.encode() for i, each in enumerate(pieces))


def _bytes_of(token: bytes) -> list[bytes]:
    return [base64.urlsafe_b64decode(each + b"=" * (-len(each) % 4)) for each in token.split(b".")]
