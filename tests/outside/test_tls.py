"""TLS as a stranger tries it: with openssl, as testssl.sh does."""

import shutil
import subprocess

import pytest

from tests.outside.absence import absent
from tests.outside.server import RunningBroker, StartBroker

NO_BOUNDS = "@SECLEVEL=0"
"""Or openssl itself would not offer what is old."""


def shake_hands(broker: RunningBroker, *words: str, said: str = "Q\n") -> str:
    """Return all that openssl tells of a connection; what it says is its standard input."""
    openssl = shutil.which("openssl")
    if openssl is None:
        absent("openssl is not installed")
    done = subprocess.run(
        [
            *(openssl, "s_client", "-connect", f"127.0.0.1:{broker.port}"),
            *("-CAfile", str(broker.ca), "-servername", "localhost", *words),
        ],
        input=said,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout + done.stderr


def is_agreed(told: str) -> bool:
    return "Cipher is (NONE)" not in told and "Cipher is " in told


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_version_is_refused(broker: RunningBroker, version: str) -> None:
    told = shake_hands(broker, version, "-cipher", f"ALL{NO_BOUNDS}")

    assert not is_agreed(told), told


@pytest.mark.parametrize(
    ("words", "cipher"),
    [
        (("-tls1_2",), "TLSv1.2, Cipher is ECDHE-ECDSA-AES"),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"), "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (("-tls1_3",), "TLSv1.3, Cipher is TLS_"),
    ],
)
def test_modern_ones_are_spoken_and_the_certificate_verifies(
    broker: RunningBroker, words: tuple[str, ...], cipher: str
) -> None:
    told = shake_hands(broker, *words)

    assert cipher in told, told
    assert "Verify return code: 0 (ok)" in told
    assert "Compression: NONE" in told


@pytest.mark.parametrize(
    "ciphers",
    [
        "aNULL",
        "eNULL",
        "RC4",
        "3DES",
        "kRSA",
        "kDHE",
        "SHA1",
        "SHA256:SHA384",  # CBC with a modern digest
        "AESCCM",
        "CAMELLIA:ARIA:SEED:IDEA",
        "PSK:SRP",
    ],
)
def test_weak_cipher_is_refused(broker: RunningBroker, ciphers: str) -> None:
    modern = "!ECDHE+AESGCM:!ECDHE+CHACHA20"

    told = shake_hands(broker, "-tls1_2", "-cipher", f"{ciphers}:{modern}:{NO_BOUNDS}")

    assert not is_agreed(told), told


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ("h2,http/1.1", "ALPN protocol: h2"),
        ("http/1.1,h2", "ALPN protocol: h2"),
        ("http/1.1", "ALPN protocol: http/1.1"),
        ("spdy/3", "No ALPN negotiated"),
    ],
)
def test_protocol_is_agreed_in_the_brokers_order(
    broker: RunningBroker, offered: str, agreed: str
) -> None:
    assert agreed in shake_hands(broker, "-alpn", offered)


def test_client_may_not_renegotiate(broker: RunningBroker) -> None:
    told = shake_hands(broker, "-tls1_2", "-legacy_renegotiation", said="R\n")

    assert "RENEGOTIATING" in told
    assert "no renegotiation" in told, told


def test_renegotiation_is_secure_and_no_heartbeat_is_offered(broker: RunningBroker) -> None:
    told = shake_hands(broker, "-tls1_2", "-tlsextdebug")

    assert "Secure Renegotiation IS supported" in told
    assert "heartbeat" not in told


def test_tls_min_leaves_out_what_is_older(start_broker: StartBroker) -> None:
    broker = start_broker("-tls-min", "1.3")

    assert not is_agreed(shake_hands(broker, "-tls1_2"))
    assert is_agreed(shake_hands(broker, "-tls1_3"))
