"""Client certificates: who shows which, what that allows, and when it is over."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from miniqueue_py.http.access.certificates import BadClientCa
from miniqueue_py.http.access.token_file import BadTokenFile, parse_tokens
from miniqueue_py.http.access.token_line import format_line
from miniqueue_py.http.exchange import CertifiedClient
from tests.access.authority import Authority, Issued
from tests.access.gate import Gate
from tests.http.exchanges import Exchange, settle

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0
THEN = datetime.fromtimestamp(NOW, UTC)

SPIFFE = "spiffe://example.org/ns/shop"
NAMES = (
    x509.UniformResourceIdentifier(SPIFFE),
    x509.DNSName("till.example.org"),
    x509.RFC822Name("till@example.org"),
)


@pytest.fixture
def authority() -> Authority:
    return Authority("tests", THEN)


def client(certificate: Issued) -> CertifiedClient:
    shown = CertifiedClient(("127.0.0.1", 1))
    shown.certificate = certificate.der
    return shown


async def open_gate(
    directory: Path, lines: str, *authorities: Authority, requires_both: bool = False
) -> Gate:
    path = directory / "ca.pem"
    path.write_bytes(b"".join(each.pem for each in authorities))
    gate = Gate(directory, path, requires_both=requires_both)
    gate.path.write_text(lines)
    await gate.access.look()
    return gate


async def publish(
    gate: Gate, certificate: Issued | None, topic: str = "orders", secret: str | None = None
) -> int:
    others: dict[str, Any] = {} if certificate is None else {"client": client(certificate)}
    exchange = gate.begin("POST", f"/publish/{topic}", secret, **others)
    await exchange.say(b"x", is_last=True)
    await exchange.answer()
    assert exchange.status is not None
    return exchange.status


@pytest.mark.parametrize(
    "name",
    [
        "CN:till-1",
        "O:Acme%2C%20Ltd",
        f"URI:{SPIFFE}",
        "DNS:till.example.org",
        "email:till@example.org",
        "DNS:another,CN:till-1",
        "subject:CN=till-1%2CO=Acme\\%2C%20Ltd",
    ],
)
async def test_a_line_knows_a_certificate_by_any_of_its_names(
    tmp_path: Path, authority: Authority, name: str
) -> None:
    gate = await open_gate(tmp_path, f"till cert={name} publish=orders\n", authority)
    shown = authority.issue("till-1", NAMES)

    assert await publish(gate, shown) == 201
    assert await publish(gate, shown, "emails") == 403
    assert await publish(gate, authority.issue("other")) == (201 if name.startswith("O:") else 401)
    assert await publish(gate, None) == 401


async def test_a_certificate_of_another_authority_is_nobodys(
    tmp_path: Path, authority: Authority
) -> None:
    gate = await open_gate(tmp_path, "till cert=CN:till publish=*\n", authority)

    assert await publish(gate, Authority("tests", THEN).issue("till")) == 401
    assert await publish(gate, Issued(b"no certificate", authority.issue("x").key)) == 401


async def test_two_certificates_with_one_token_are_two(
    tmp_path: Path, authority: Authority
) -> None:
    """What was allowed to the one is not known of the other, whichever came first."""
    lines = "a cert=CN:a publish=orders\nb cert=CN:b publish=emails\n"
    gate = await open_gate(tmp_path, lines, authority)
    a, b = authority.issue("a"), authority.issue("b")

    for _ in range(2):
        assert [await publish(gate, each) for each in (a, b)] == [201, 403]
        assert [await publish(gate, each, "emails") for each in (a, b)] == [403, 201]


async def test_either_is_enough(tmp_path: Path, authority: Authority) -> None:
    gate = await open_gate(tmp_path, "till cert=CN:till publish=orders\n", authority)
    secret = await gate.admit("ci", {"publish": ("emails",)})
    till = authority.issue("till")

    assert await publish(gate, till) == 201
    assert await publish(gate, None, "emails", secret) == 201
    assert await publish(gate, till, "emails", secret) == 201, "a token that is sent is meant"
    assert await publish(gate, till, "orders", secret) == 403
    assert await publish(gate, till, "orders", "mq_wrong") == 401


async def test_both_are_needed_where_that_is_said(tmp_path: Path, authority: Authority) -> None:
    lines = "till cert=CN:till publish=*\n"
    gate = await open_gate(tmp_path, lines, authority, requires_both=True)
    secret = await gate.admit("ci", {"publish": ("orders",)})
    till, stranger = authority.issue("till"), Authority("other", THEN).issue("till")

    assert await publish(gate, till, secret=secret) == 201
    assert await publish(gate, authority.issue("no line's"), secret=secret) == 201
    assert await publish(gate, till) == 401
    assert await publish(gate, None, secret=secret) == 401
    assert await publish(gate, stranger, secret=secret) == 401
    assert await publish(gate, till, "emails", secret) == 403, "the token says what may be done"


@pytest.mark.parametrize("requires_both", [False, True])
async def test_streams_end_with_their_authority_and_their_line(
    tmp_path: Path, authority: Authority, *, requires_both: bool
) -> None:
    other = Authority("other", THEN)
    lines = "a cert=CN:a consume=*\nb cert=CN:b consume=*\n"
    gate = await open_gate(tmp_path, lines, authority, other, requires_both=requires_both)
    secret = await gate.admit("ci", {"consume": ("*",)}) if requires_both else None
    shown = {"a": authority.issue("a"), "b": other.issue("b")}
    streams = {
        name: gate.begin("POST", "/subscribe/orders", secret, client=client(each))
        for name, each in shown.items()
    }
    for stream in streams.values():
        await stream.say(b'"INIT"')

    (tmp_path / "ca.pem").write_bytes(other.pem)
    await gate.access.look()
    await settle()
    assert streams["a"].values == [{"closing": "forbidden"}]
    assert not streams["b"].is_over

    gate.path.write_text("nobody cert=CN:nobody consume=*\n")
    await gate.access.look()
    await settle()
    assert streams["b"].values == [{"closing": "forbidden"}]


async def test_a_stream_ends_when_its_certificate_does(
    tmp_path: Path, authority: Authority
) -> None:
    gate = await open_gate(tmp_path, "a cert=CN:a consume=*\n", authority)
    shown = authority.issue("a", lasts=timedelta(seconds=90))
    stream = gate.begin("POST", "/subscribe/orders", None, client=client(shown))
    await stream.say(b'"INIT"')

    await gate.clock.advance(89)
    await gate.access.look()
    assert not stream.is_over
    await gate.clock.advance(1)
    await gate.access.look()
    await settle()

    assert stream.values == [{"closing": "forbidden"}]


async def test_ten_authorities_follow_each_other_beside_streams_of_one_that_stays(
    tmp_path: Path, authority: Authority
) -> None:
    gate = await open_gate(tmp_path, "all cert=O:Acme%2C%20Ltd consume=*\n", authority)
    kept = [begin(gate, authority.issue(f"kept {i}")) for i in range(100)]
    before = authority
    for i in range(10):
        after = Authority(f"round {i}", THEN)
        (tmp_path / "ca.pem").write_bytes(authority.pem + after.pem)
        await gate.access.look()
        ended = [begin(gate, before.issue("x")) for _ in range(10)] if i else []
        added = [begin(gate, after.issue("y")) for _ in range(10)]
        await settle()

        assert all(each.status == 401 for each in ended)
        assert not any(each.is_over for each in (*kept, *added))
        before = after
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    await gate.access.look()
    await settle()

    assert added[0].values == [{"closing": "forbidden"}]
    assert not any(each.is_over for each in kept)


def begin(gate: Gate, certificate: Issued) -> Exchange:
    return gate.begin("POST", "/subscribe/orders", None, client=client(certificate))


async def test_a_broken_file_of_authorities_changes_nothing_and_is_told(
    tmp_path: Path, authority: Authority
) -> None:
    gate = await open_gate(tmp_path, "a cert=CN:a publish=*\n", authority)
    (tmp_path / "ca.pem").write_text("nothing of the kind")

    await gate.access.look()

    assert await publish(gate, authority.issue("a")) == 201
    [told] = gate.lines("access.not_reloaded")
    assert "ca.pem" in str(told)


@pytest.mark.parametrize("text", [None, b"", b"-----BEGIN CERTIFICATE-----\nMQ==\n"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_bytes(text)

    with pytest.raises(BadClientCa, match=r"ca\.pem: "):
        Gate(tmp_path, path)


def test_an_authority_that_is_expired_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Authority("old", datetime.now(UTC) - timedelta(days=31)).pem)

    with pytest.raises(BadClientCa, match="CN=old is expired"):
        Gate(tmp_path, path)


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("cert=till", "has a cert= that is no NAME:VALUE"),
        ("cert=IP:127.0.0.1", "has a cert= that names IP, which is none of subject, CN, O, OU"),
        (f"cert=CN:a sha256={'0' * 64}", "has sha256= and cert=; make two lines of it"),
        ("cert=CN:a claim=a:b", "has claim= and cert=; make two lines of it"),
    ],
)
def test_a_line_that_is_wrong_is_told(word: str, problem: str) -> None:
    with pytest.raises(BadTokenFile, match=problem):
        parse_tokens(Path("tokens"), f"a {word} publish=*".encode())


def test_a_line_is_written_as_it_is_read() -> None:
    text = f"a cert=CN:Acme%2C%20Ltd,URI:{SPIFFE} publish=orders.*"
    [line] = parse_tokens(Path("tokens"), text.encode())

    assert parse_tokens(Path("tokens"), format_line(line).encode()) == [line]
