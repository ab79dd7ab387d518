import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from miniqueue_py.errors import BadSetting
from miniqueue_py.tls.certificates import (
    check_certificate,
    ensure_development_certificates,
    make_certificates,
)
from miniqueue_py.tls.paths import CertificatePaths

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    """One set for the tests that only read it; its dates are real, for real handshakes."""
    return make_certificates(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_the_ca_accepts_the_server(made: CertificatePaths, host: str) -> None:
    shake_hands(made, host)


def test_a_client_refuses_the_server_under_another_name(made: CertificatePaths) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(made, "example.org")


def test_hosts_can_be_chosen(tmp_path: Path) -> None:
    paths = make_certificates(tmp_path, ["queue.example", "10.1.2.3"])

    shake_hands(paths, "queue.example")
    shake_hands(paths, "10.1.2.3")


def test_a_later_certificate_comes_from_the_ca_that_is_trusted_already(tmp_path: Path) -> None:
    first = make_certificates(tmp_path)
    authority = first.authority.read_bytes()

    second = make_certificates(tmp_path, ["queue.example"])

    assert second.authority.read_bytes() == authority
    shake_hands(second, "queue.example")


def test_the_ca_is_for_every_user_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        paths = make_certificates(tmp_path / "certs")
    finally:
        os.umask(before)

    assert mode_of(paths.authority.parent) == 0o755
    assert mode_of(paths.authority) == 0o644
    assert mode_of(paths.key) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_key_of_development_that_others_could_read_is_replaced_and_of_a_ca_refused(
    tmp_path: Path, mode: int
) -> None:
    paths = make_certificates(tmp_path, now=NOW)
    leaked = paths.key.read_bytes()
    paths.key.chmod(mode)

    ensure_development_certificates(tmp_path, NOW)

    assert paths.key.read_bytes() != leaked
    assert mode_of(paths.key) == 0o600
    paths.authority_key.chmod(mode)
    with pytest.raises(BadSetting, match=r"ca-key.pem can be read by others .*: chmod 600 "):
        ensure_development_certificates(tmp_path, NOW)


def test_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    generous = os.umask(0)
    try:
        paths = make_certificates(tmp_path)
    finally:
        os.umask(generous)

    assert mode_of(paths.key) == 0o600
    assert mode_of(paths.authority_key) == 0o600
    assert mode_of(paths.certificate) == mode_of(paths.authority) == 0o644
    assert len(list(tmp_path.iterdir())) == 4


def test_a_certificate_is_short_lived_and_its_ca_is_not(tmp_path: Path) -> None:
    paths = make_certificates(tmp_path, now=NOW)

    leaf, authority = read(paths.certificate), read(paths.authority)
    assert leaf.not_valid_before_utc <= NOW
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= 397 * DAY
    assert authority.not_valid_after_utc - NOW > 3650 * DAY


def test_what_a_certificate_may_do_is_said_and_critical(made: CertificatePaths) -> None:
    leaf, authority = read(made.certificate), read(made.authority)

    for certificate, is_authority in ((leaf, False), (authority, True)):
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert constraints.critical
        assert constraints.value.ca is is_authority
        assert usage.critical
        assert usage.value.key_cert_sign is is_authority
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [usage.dotted_string for usage in extended] == ["1.3.6.1.5.5.7.3.1"]
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert issuer.key_identifier == subject.digest


def test_development_certificates_are_made_when_missing(tmp_path: Path) -> None:
    paths = ensure_development_certificates(tmp_path / "certs", datetime.now(UTC))

    shake_hands(paths, "localhost")


def test_good_development_certificates_are_kept(tmp_path: Path) -> None:
    paths = ensure_development_certificates(tmp_path, NOW)
    before = contents(paths)

    ensure_development_certificates(tmp_path, NOW + 365 * DAY)

    assert contents(paths) == before


def test_a_development_certificate_is_renewed_for_its_hosts_a_month_before_it_expires(
    tmp_path: Path,
) -> None:
    paths = make_certificates(tmp_path, ["queue.example", "::1"], NOW)
    authority = paths.authority.read_bytes()

    ensure_development_certificates(tmp_path, NOW + 368 * DAY)

    leaf = read(paths.certificate)
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert leaf.not_valid_after_utc > NOW + 700 * DAY
    assert [str(host.value) for host in hosts] == ["queue.example", "::1"]
    assert paths.authority.read_bytes() == authority


def test_a_ca_that_ends_before_the_next_certificate_is_replaced(tmp_path: Path) -> None:
    paths = make_certificates(tmp_path, now=NOW)
    authority = paths.authority.read_bytes()
    later = NOW + 3600 * DAY

    ensure_development_certificates(tmp_path, later)

    assert paths.authority.read_bytes() != authority
    check_certificate(paths.certificate, paths.key, later)


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "localhost.pem", "localhost-key.pem"])
def test_whichever_file_another_run_left_behind_the_set_fits_again(
    tmp_path: Path, name: str
) -> None:
    make_certificates(tmp_path / "other")
    paths = make_certificates(tmp_path)
    (tmp_path / "other" / name).replace(tmp_path / name)

    ensure_development_certificates(tmp_path, datetime.now(UTC))

    shake_hands(paths, "localhost")


def test_a_ca_key_that_is_not_ours_is_never_overwritten(tmp_path: Path) -> None:
    paths = make_certificates(tmp_path)
    key = foreign_key()
    paths.authority_key.write_bytes(key)

    with pytest.raises(BadSetting, match=r"-cert: .*ca-key.pem is no key of ours; remove it"):
        make_certificates(tmp_path)

    assert paths.authority_key.read_bytes() == key


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(BadSetting, match=r"^-cert: none made, .*/file/certs: Not a directory$"):
        make_certificates(tmp_path / "file" / "certs")


@pytest.mark.parametrize("host", ["münchen", "", " "])
def test_what_is_no_host_name_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(BadSetting, match=r"^--host: .* is no host name"):
        make_certificates(tmp_path, [host])


def test_a_certificate_that_works_passes_the_check(made: CertificatePaths) -> None:
    check_certificate(made.certificate, made.key, datetime.now(UTC))


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    paths = make_certificates(tmp_path, now=NOW)

    with pytest.raises(BadSetting, match=r"^-cert: .*localhost.pem expired on 2031-02-01 23:00"):
        check_certificate(paths.certificate, paths.key, NOW + 397 * DAY)


def test_a_certificate_of_the_future_is_refused(tmp_path: Path) -> None:
    paths = make_certificates(tmp_path, now=NOW)

    with pytest.raises(BadSetting, match=r"^-cert: .* is not valid before 2029-12-31 23:00"):
        check_certificate(paths.certificate, paths.key, NOW - DAY)


def test_a_key_of_another_certificate_is_refused(made: CertificatePaths) -> None:
    with pytest.raises(BadSetting, match=r"^-key: .*ca-key.pem does not belong to .*localhost.pem"):
        check_certificate(made.certificate, made.authority_key, datetime.now(UTC))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nA\n"])
def test_a_key_that_is_not_pem_is_refused(
    made: CertificatePaths, tmp_path: Path, content: bytes
) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(content)
    key.chmod(0o600)

    with pytest.raises(BadSetting, match=r"^-key: .*key.pem cannot be used: it is not a private"):
        check_certificate(made.certificate, key, datetime.now(UTC))


def test_a_key_of_another_kind_is_refused(made: CertificatePaths, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(foreign_key())
    key.chmod(0o600)

    with pytest.raises(BadSetting, match=r"^-key: .*key.pem does not belong to"):
        check_certificate(made.certificate, key, datetime.now(UTC))


def test_a_key_with_a_password_is_refused_without_asking_for_it(
    made: CertificatePaths, tmp_path: Path
) -> None:
    key = load_pem_private_key(made.key.read_bytes(), password=None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    locked.chmod(0o600)

    with pytest.raises(BadSetting, match=r"^-key: .*locked.pem has a password"):
        check_certificate(made.certificate, locked, datetime.now(UTC))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nA\n"])
def test_a_certificate_that_is_not_pem_is_refused(
    made: CertificatePaths, tmp_path: Path, content: bytes
) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(content)

    with pytest.raises(BadSetting, match=r"^-cert: .* is not a certificate in PEM$"):
        check_certificate(certificate, made.key, datetime.now(UTC))


def test_a_missing_file_is_named_with_its_flag(made: CertificatePaths, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"

    with pytest.raises(BadSetting, match=r"^-cert: .*missing.pem: No such file or directory$"):
        check_certificate(missing, made.key, datetime.now(UTC))
    with pytest.raises(BadSetting, match=r"^-key: .*missing.pem: No such file or directory$"):
        check_certificate(made.certificate, missing, datetime.now(UTC))
    with pytest.raises(BadSetting, match=r"^-cert: .*: Is a directory$"):
        check_certificate(tmp_path, made.key, datetime.now(UTC))


def shake_hands(paths: CertificatePaths, host: str) -> None:
    """TLS in memory, between a server with the certificate and a client with the CA."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(paths.certificate, paths.key)
    client = ssl.create_default_context(cafile=str(paths.authority))
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = client.wrap_bio(to_client, to_server, server_hostname=host)
    server_side = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (client_side, server_side, client_side):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client_side.version() == "TLSv1.3"


def foreign_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def contents(paths: CertificatePaths) -> list[bytes]:
    files = (paths.authority, paths.authority_key, paths.certificate, paths.key)
    return [path.read_bytes() for path in files]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
