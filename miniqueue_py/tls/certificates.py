"""The certificates a broker shows: checked by use, and made for development.

Whether a certificate is good is asked of TLS itself: a server that shows it
and a client that trusts it shake hands in memory, which takes 2 ms and needs
the standard library only. Making one takes `cryptography`, 50 ms to import;
authority.py does that, and is imported when something is to be made.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from miniqueue_py.errors import BadSetting
from miniqueue_py.private_files import why_not_private
from miniqueue_py.tls.paths import CertificatePaths, certificate_paths

_RENEW_BEFORE = timedelta(days=30)

# X509_V_FLAG_NO_CHECK_TIME, which ssl has no name for: `now` is ours to judge.
_NO_CHECK_TIME = 0x200000


@dataclass(frozen=True, slots=True)
class Presented:
    """What a certificate says of itself."""

    hosts: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime


def make_certificates(
    directory: Path,
    hosts: Sequence[str] = ("localhost", "127.0.0.1", "::1"),
    now: datetime | None = None,
) -> CertificatePaths:
    """Make a certificate for `hosts`, signed by the directory's own small CA."""
    from miniqueue_py.tls import authority  # noqa: PLC0415 - cryptography takes 50 ms to import

    paths = certificate_paths(directory)
    try:
        authority.issue(paths, hosts, now or datetime.now(UTC))
    except OSError as error:
        where = error.filename or directory
        raise BadSetting("-cert", f"none made, {where}: {error.strerror}") from error
    return paths


def ensure_development_certificates(directory: Path, now: datetime) -> CertificatePaths:
    """Keep what a client that trusts ca.pem accepts for 30 more days; make the rest anew."""
    paths = certificate_paths(directory)
    if paths.authority_key.exists():
        must_be_private("-cert", paths.authority_key)
    try:
        found = _present(paths.certificate, paths.key, trusted=paths.authority)
    except BadSetting:
        return make_certificates(directory, now=now)
    if found.valid_from <= now < found.valid_until - _RENEW_BEFORE:
        return paths
    return make_certificates(directory, found.hosts, now)


def check_certificate(certificate: Path, key: Path, now: datetime) -> Presented:
    """Return what a certificate says. Raises BadSetting unless TLS works with it today."""
    found = _present(certificate, key, trusted=certificate)
    if now < found.valid_from:
        raise BadSetting("-cert", f"{certificate} is not valid before {found.valid_from:%F %R} UTC")
    if now >= found.valid_until:
        raise BadSetting("-cert", f"{certificate} expired on {found.valid_until:%F %R} UTC")
    return found


def _present(certificate: Path, key: Path, *, trusted: Path) -> Presented:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    # A partial chain: the certificate itself may be all that is trusted.
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    _load_trusted(client, trusted)
    server = _server_context(certificate, key)
    try:
        return _shake_hands(server, client)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", None) or error.reason
        raise BadSetting("-cert", f"{certificate} is refused by TLS clients: {reason}") from error


def _load_trusted(client: ssl.SSLContext, trusted: Path) -> None:
    _must_be_readable("-cert", trusted)
    try:
        client.load_verify_locations(trusted)
    except ssl.SSLError as error:
        raise BadSetting("-cert", f"{trusted} is not a certificate in PEM") from error


def _server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    _must_be_readable("-cert", certificate)
    _must_be_readable("-key", key)
    must_be_private("-key", key)

    def refuse_password() -> str:
        # Without this, OpenSSL would ask on the terminal and wait.
        raise BadSetting("-key", f"{key} has a password; give a key without one")

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(certificate, key, refuse_password)
    except ssl.SSLError as error:
        # The second one: an RSA key for an EC certificate, or the reverse.
        if error.reason in {"KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}:
            raise BadSetting("-key", f"{key} does not belong to {certificate}") from error
        detail = error.reason or "it is not a private key in PEM"
        raise BadSetting("-key", f"{key} cannot be used: {detail}") from error
    return server


def must_be_private(flag: str, path: Path) -> None:
    """Raise BadSetting if others can read a key, or if it cannot be looked at."""
    try:
        problem = why_not_private(path)
    except OSError as error:
        raise BadSetting(flag, f"{path}: {error.strerror}") from error
    if problem:
        raise BadSetting(flag, problem)


def _must_be_readable(flag: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise BadSetting(flag, f"{path}: {error.strerror}") from error


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> Presented:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = server.wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server)
    for side in (client_side, server_side) * 3:  # TLS 1.2 takes the most turns, five
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    about = cast("dict[str, Any]", client_side.getpeercert())
    return Presented(
        hosts=tuple(host for _, host in about.get("subjectAltName", ())),
        valid_from=_instant(about["notBefore"]),
        valid_until=_instant(about["notAfter"]),
    )


def _instant(written: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(written), UTC)
