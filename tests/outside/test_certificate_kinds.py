"""A certificate that the check at the start accepts is one that serves, of whatever kind."""

import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.server import RunningBroker

KEYS = {
    "RSA": ("RSA", "rsa_keygen_bits:2048"),
    "RSA-PSS": ("RSA-PSS", "rsa_keygen_bits:2048"),
    "P-521": ("EC", "ec_paramgen_curve:P-521"),
    "Ed448": ("ed448", ""),
}


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


def make(directory: Path, kind: str) -> CertificatePaths:
    """Make one that signed itself."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    algorithm, option = KEYS[kind]
    options = ("-pkeyopt", option) if option else ()
    openssl("genpkey", "-algorithm", algorithm, *options, "-out", key)
    key.chmod(0o600)
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl("req", "-x509", "-new", "-key", key, "-days", "2", *names, "-out", certificate)
    return CertificatePaths(certificate, key, certificate, key)


def expect_served(directory: Path, shown: CertificatePaths, trusted: Path) -> None:
    with RunningBroker(directory / "db", shown) as broker:
        context = ssl.create_default_context(cafile=trusted)
        answer = httpx.get(f"https://localhost:{broker.port}/healthz", verify=context)
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", KEYS)
def test_each_kind_of_key_serves(tmp_path: Path, kind: str) -> None:
    shown = make(tmp_path, kind)
    expect_served(tmp_path, shown, shown.certificate)


def test_a_file_that_an_editor_began_with_a_mark_serves(tmp_path: Path) -> None:
    shown = make(tmp_path, "RSA")
    marked = tmp_path / "marked.pem"
    marked.write_bytes(b"\xef\xbb\xbf" + shown.certificate.read_bytes())
    expect_served(tmp_path, replace(shown, certificate=marked), shown.certificate)


def test_a_trusted_certificate_serves(tmp_path: Path) -> None:
    """OpenSSL's own form, with what it is trusted for behind it."""
    shown = make(tmp_path, "RSA")
    trusted = tmp_path / "trusted.pem"
    openssl("x509", "-in", shown.certificate, "-trustout", "-out", trusted)
    assert trusted.read_text().startswith("-----BEGIN TRUSTED CERTIFICATE-----")
    expect_served(tmp_path, replace(shown, certificate=trusted), shown.certificate)
