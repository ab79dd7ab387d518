"""One line of the file of tokens: who, by what they prove it, and what they may.

    ci sha256=0f3a... publish=orders.*,invoices admin=orders.* expires=2027-03-01T00:00:00Z
    shop claim=groups:shop publish=orders
    till cert=URI:spiffe://example.org/till consume=orders

What a line has is the digest of a secret, or claims that an issuer's tokens have,
or names of client certificates.
A value is percent-encoded where a character of it means something: white space,
`,` and `%`. ValueError has what is wrong, and never a value that could be a secret.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import RIGHTS, Right

LONGEST_LINE = 16_384
"""Characters."""

MOST_GLOBS = 100
"""Of a right."""

MOST_STARS = 8
"""In a glob."""

CERTIFICATE_NAMES = ("subject", "CN", "O", "OU", "DNS", "email", "URI")
"""What a client certificate may be known by."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")
_COUNT = re.compile(r"[0-9]{1,9}")
_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Claim(NamedTuple):
    """What an issuer says of whoever asks: a value of a claim."""

    name: str
    value: str


class TokenLine(NamedTuple):
    """What a line says."""

    principal: Principal
    digest: bytes = b""
    """Empty if there is no secret."""
    claims: tuple[Claim, ...] = ()
    """Any of them is enough."""
    certificates: tuple[Claim, ...] = ()
    """What a client certificate says of itself; any of them is enough."""


def parse_line(text: str) -> TokenLine | None:
    """Return what a line says; None of a comment, or of nothing. Raises ValueError."""
    words = text.split()
    if not words or words[0].startswith("#"):
        return None
    if len(text) > LONGEST_LINE:
        raise ValueError(f"is longer than {LONGEST_LINE} characters")
    name, *pairs = words
    if not _NAME.fullmatch(name):
        raise ValueError("does not begin with a name of letters, digits and . _ @ : -")
    fields = _fields_of(pairs)
    proofs = [each for each in ("sha256", "claim", "cert") if each in fields]
    if not proofs:
        raise ValueError("has no sha256=; `miniqueue token new` makes one")
    if len(proofs) > 1:
        raise ValueError(f"has {proofs[0]}= and {proofs[1]}=; make two lines of it")
    digest, claims = fields.get("sha256", b""), fields.get("claim", ())
    return TokenLine(_principal_of(name, fields), digest, claims, fields.get("cert", ()))


def format_line(line: TokenLine) -> str:
    """Return the line that says that, without its end."""
    principal = line.principal
    words = [principal.name]
    words += [f"sha256={line.digest.hex()}"] if line.digest else []
    for word, claims in (("claim", line.claims), ("cert", line.certificates)):
        if claims:
            said = (f"{quote(name, safe='')}:{quote(value, safe=_PLAIN)}" for name, value in claims)
            words.append(f"{word}={','.join(said)}")
    words += [
        f"{right}={','.join(quote(glob, safe=_PLAIN) for glob in globs)}"
        for right in RIGHTS
        if (globs := principal.scopes.get(right))
    ]
    if principal.expires_at is not None:
        words.append(f"expires={format_instant(principal.expires_at)}")
    if principal.requests_per_second is not None:
        words.append(f"rate={principal.requests_per_second:g}")
    if principal.streams is not None:
        words.append(f"streams={principal.streams}")
    return " ".join(words)


_PLAIN = "*:@!$&'()+;=~"


def _fields_of(pairs: list[str]) -> Mapping[str, Any]:
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        parse = _PARSERS.get(name)
        if parse is None or not equals:
            known = ", ".join(_PARSERS)
            # Not the word itself: it may be a secret that was put into the wrong file.
            raise ValueError(f"has a word that is none of NAME=VALUE; names are {known}")
        if name in fields:
            raise ValueError(f"has {name}= twice")
        try:
            fields[name] = parse(value)
        except ValueError as error:
            raise ValueError(f"has a {name}= that {error}") from None
    return fields


def _principal_of(name: str, fields: Mapping[str, Any]) -> Principal:
    scopes: dict[Right, tuple[str, ...]] = {
        right: fields[right] for right in RIGHTS if right in fields
    }
    return Principal(
        name=name,
        scopes=scopes,
        expires_at=fields.get("expires"),
        requests_per_second=fields.get("rate"),
        streams=fields.get("streams"),
    )


def parse_glob(text: str) -> str:
    """Return a glob. Raises ValueError."""
    if not text:
        raise ValueError("names no topic")
    if "/" in text or any(each < " " or "\x7f" <= each <= "\x9f" for each in text):
        raise ValueError("has a character that no topic's name has")
    if text.count("*") > MOST_STARS:
        raise ValueError(f"has more than {MOST_STARS} stars in one name")
    return text


def _globs(value: str) -> tuple[str, ...]:
    if value.count(",") >= MOST_GLOBS:
        raise ValueError(f"names more than {MOST_GLOBS} topics; use *")
    return tuple(parse_glob(_decoded(piece)) for piece in value.split(","))


def _claims(value: str) -> tuple[Claim, ...]:
    claims = []
    for piece in value.split(","):
        name, colon, wanted = piece.partition(":")
        if not (name and colon and wanted):
            raise ValueError("is no NAME:VALUE, such as groups:shop")
        claims.append(Claim(_decoded(name), _decoded(wanted)))
    return tuple(claims)


def _certificates(value: str) -> tuple[Claim, ...]:
    names = _claims(value)
    if unknown := [name for name, _ in names if name not in CERTIFICATE_NAMES]:
        known = ", ".join(CERTIFICATE_NAMES)
        raise ValueError(f"names {unknown[0]}, which is none of {known}")
    return names


def _decoded(text: str) -> str:
    if _ESCAPES.search(text):
        raise ValueError("has a % that begins no escape such as %20")
    return unquote(text, errors="strict")


def _digest(value: str) -> bytes:
    if not _DIGEST.fullmatch(value):
        raise ValueError("is not 64 digits of lower-case hexadecimal")
    return bytes.fromhex(value)


def parse_instant(value: str) -> float:
    """Return the seconds since the epoch of an instant in UTC. Raises ValueError."""
    try:
        instant = datetime.strptime(value, _INSTANT).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("is no instant such as 2027-03-01T00:00:00Z") from None
    return instant.timestamp()


def format_instant(seconds: float) -> str:
    """Return an instant in UTC, to the second below."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_INSTANT)


_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def _rate(value: str) -> float:
    if not _RATE.fullmatch(value) or not float(value):
        raise ValueError("is no number of requests a second above 0")
    return float(value)


def _count(value: str) -> int:
    if not _COUNT.fullmatch(value):
        raise ValueError("is no whole number")
    return int(value)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "sha256": _digest,
    "claim": _claims,
    "cert": _certificates,
    **dict.fromkeys(RIGHTS, _globs),
    "expires": parse_instant,
    "rate": _rate,
    "streams": _count,
}
