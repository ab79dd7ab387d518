"""The small certificate authority of a development directory.

Its key stays in the directory, readable by its owner alone, so that later
certificates are signed by the CA which curl and the clients trust already.

Files appear whole or not at all, keys before their certificates: a run that is
cut short leaves a pair that does not fit, which the next run replaces.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from miniqueue_py.errors import BadSetting
from miniqueue_py.tls.paths import CertificatePaths

_CLOCKS_DIFFER_BY = timedelta(hours=1)
_AUTHORITY_LIFETIME = timedelta(days=3652)
_LEAF_LIFETIME = timedelta(days=397)  # a longer one is refused by Apple's clients


class _Authority(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def issue(paths: CertificatePaths, hosts: Sequence[str], now: datetime) -> None:
    """Write a certificate for `hosts`, and first the CA where there is none."""
    if not paths.authority.parent.is_dir():
        paths.authority.parent.mkdir(parents=True)
        # Whatever the umask: clients of other users read the CA here. Keys have their own mode.
        paths.authority.parent.chmod(0o755)
    authority = _load_authority(paths, now) or _make_authority(paths, now)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder("miniqueue", authority.certificate.subject, key, now, _LEAF_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(_key_usage(signs_certificates=False), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), False
        )
        .sign(authority.key, hashes.SHA256())
    )
    _write(paths.key, _key_as_pem(key), mode=0o600)
    _write(paths.certificate, certificate.public_bytes(Encoding.PEM), mode=0o644)


def _load_authority(paths: CertificatePaths, now: datetime) -> _Authority | None:
    try:
        certificate = x509.load_pem_x509_certificate(paths.authority.read_bytes())
        key = load_pem_private_key(paths.authority_key.read_bytes(), password=None)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:  # not PEM; a password
        raise _not_ours(paths) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _not_ours(paths)
    fits = key.public_key() == certificate.public_key()
    outlives_the_leaf = now + _LEAF_LIFETIME <= certificate.not_valid_after_utc
    return _Authority(certificate, key) if fits and outlives_the_leaf else None


def _not_ours(paths: CertificatePaths) -> BadSetting:
    # Never overwritten: it may be somebody's own.
    return BadSetting(
        "-cert", f"{paths.authority_key} is no key of ours; remove it and {paths.authority}"
    )


def _make_authority(paths: CertificatePaths, now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = "miniqueue development CA"
    certificate = (
        _builder(name, _name(name), key, now, _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(_key_usage(signs_certificates=True), True)
        .sign(key, hashes.SHA256())
    )
    _write(paths.authority_key, _key_as_pem(key), mode=0o600)
    _write(paths.authority, certificate.public_bytes(Encoding.PEM), mode=0o644)
    return _Authority(certificate, key)


def _builder(
    subject: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    valid_from = now - _CLOCKS_DIFFER_BY
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_from + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    if not host.isascii() or not host.strip():
        raise BadSetting("--host", f"{host!r} is no host name; it is ASCII, or punycode")
    return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_as_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, *, mode: int) -> None:
    # mkstemp opens with mode 0600: a key is never readable by others, not for an instant.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
