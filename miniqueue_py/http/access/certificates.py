"""Who shows a client certificate: as the CAs of -client-ca and the lines with cert= say.

TLS has seen that the client has the key. Whether the certificate still counts is
asked here again and again: its CA may go, and so may its line.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from miniqueue_py.file_signature import signature_of
from miniqueue_py.http.access.audit import Audit
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.token_line import Claim, TokenLine

_MOST_KNOWN = 1000
"""Certificates that are read once."""

_OF_SUBJECT = {
    "CN": x509.NameOID.COMMON_NAME,
    "O": x509.NameOID.ORGANIZATION_NAME,
    "OU": x509.NameOID.ORGANIZATIONAL_UNIT_NAME,
}


_Kind = type[x509.DNSName] | type[x509.RFC822Name] | type[x509.UniformResourceIdentifier]

_KINDS: Mapping[str, _Kind] = {
    "DNS": x509.DNSName,
    "email": x509.RFC822Name,
    "URI": x509.UniformResourceIdentifier,
}


class BadClientCa(Exception):
    """The file of CAs cannot be used as it is."""


class Lines(Protocol):
    """Who has the lines with cert=."""

    certified: Sequence[TokenLine]


class Certificates:
    """Knows whose client certificates are. Raises BadClientCa."""

    def __init__(self, path: Path, lines: Lines, audit: Audit) -> None:
        self._path = path
        self._lines = lines
        self._audit = audit
        self._signature = signature_of(path)
        self._is_wanted = False
        self._authorities = _read(path)

    def __repr__(self) -> str:
        return f"<Certificates of {self._path}, {len(self._authorities)} authorities>"

    def with_certificate(self, principal: Principal, certificate: bytes) -> Principal | None:
        """Return somebody for as long as that certificate lasts; None if no CA issued it itself."""
        shown = _shown(certificate)
        if shown is None or not any(map(shown.is_issued_by, self._authorities)):
            return None
        ends = principal.expires_at
        return replace(
            principal, expires_at=shown.expires_at if ends is None else min(ends, shown.expires_at)
        )

    def principal_of(self, certificate: bytes) -> Principal | None:
        """Return who shows it: the first line that names it."""
        shown = _shown(certificate)
        if shown is None:
            return None
        for line in self._lines.certified:
            if not shown.names.isdisjoint(line.certificates):
                return self.with_certificate(line.principal, certificate)
        return None

    def want_reload(self) -> None:
        """Read the file at the next look, whether it has changed or not."""
        self._is_wanted = True

    async def look(self) -> bool:
        """Read the file if it has changed since it was read; tell if it is in force."""
        found = signature_of(self._path)
        if found == self._signature and not self._is_wanted:
            return False
        self._signature, self._is_wanted = found, False
        try:
            self._authorities = await asyncio.to_thread(_read, self._path)
        except BadClientCa as error:
            self._audit.note_not_reloaded(str(self._path), str(error))
            return False
        self._audit.note_reloaded(str(self._path), authorities=len(self._authorities))
        return True


class _Shown(NamedTuple):
    """What a certificate says."""

    certificate: x509.Certificate
    names: frozenset[Claim]
    expires_at: float

    def is_issued_by(self, authority: x509.Certificate) -> bool:
        try:
            self.certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


@lru_cache(_MOST_KNOWN)
def _shown(der: bytes) -> _Shown | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = frozenset(_names_of(certificate))
        ends = certificate.not_valid_after_utc.timestamp()
    except ValueError:  # OpenSSL takes what this library does not
        return None
    return _Shown(certificate, names, ends)


def _names_of(certificate: x509.Certificate) -> Iterable[Claim]:
    yield Claim("subject", certificate.subject.rfc4514_string())
    for name, oid in _OF_SUBJECT.items():
        for attribute in certificate.subject.get_attributes_for_oid(oid):
            yield Claim(name, str(attribute.value))
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    for kind, of_kind in _KINDS.items():
        for value in found.value.get_values_for_type(of_kind):
            yield Claim(kind, str(value))


def _read(path: Path) -> Sequence[x509.Certificate]:
    try:
        authorities = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise BadClientCa(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadClientCa(f"{path}: holds no certificates in PEM: {error}") from error
    now = datetime.now(UTC)
    for authority in authorities:
        if authority.not_valid_after_utc <= now:
            raise BadClientCa(f"{path}: {authority.subject.rfc4514_string()} is expired")
    return authorities
