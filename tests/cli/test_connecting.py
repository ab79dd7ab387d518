"""Which broker is asked, whom it is believed to be, and what is said when it is not there."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from miniqueue_py.tls.certificates import make_certificates
from tests.cli.conftest import Here
from tests.outside.server import RunningBroker


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.fixture(autouse=True)
def a_topic(broker: RunningBroker) -> None:
    """Have something to list: that there is nothing is told too."""
    requests.post(
        f"https://localhost:{broker.port}/publish/something",
        b"x",
        verify=str(broker.ca),
        timeout=30,
    ).raise_for_status()


def test_flags_win_over_variables(
    miniqueue: Here, broker: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIQUEUE_URL", "https://localhost:1")
    monkeypatch.setenv("MINIQUEUE_CA", "nothing.pem")

    url = f"https://localhost:{broker.port}"
    done = miniqueue("topics", "--url", url, "--ca", str(broker.ca), "--names")

    assert (done.status, done.err) == (0, "")


def test_the_ca_in_certs_is_trusted_without_a_word(
    miniqueue: Here, broker: RunningBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINIQUEUE_CA")
    monkeypatch.chdir(broker.ca.parent.parent)

    assert miniqueue("topics", "--names").status == 0
    assert miniqueue("topics", "--ca", "").status == 3


def test_the_brokers_own_certificate_can_be_pinned(
    miniqueue: Here, broker: RunningBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MINIQUEUE_CA")
    other = make_certificates(tmp_path / "other")

    right = miniqueue("topics", "--names", "--pin", str(broker.ca.parent / "localhost.pem"))
    wrong = miniqueue("topics", "--names", "--pin", str(other.certificate))

    assert (right.status, right.err) == (0, "")
    assert wrong.status == 3
    assert wrong.err.startswith("miniqueue: cannot connect to localhost:")


def test_a_pin_wins_over_the_ca_of_the_variable(miniqueue: Here, broker: RunningBroker) -> None:
    pin = str(broker.ca.parent / "localhost.pem")

    done = miniqueue("topics", "--names", "--pin", pin)  # MINIQUEUE_CA is set
    both = miniqueue("topics", "--names", "--pin", pin, "--ca", str(broker.ca))

    assert (done.status, done.err) == (0, "")
    assert both.status == 2
    assert "contradict each other" in both.err


def test_a_broker_that_is_not_there_is_told_in_one_line(miniqueue: Here, closed_port: int) -> None:
    done = miniqueue("topics", "--url", f"https://127.0.0.1:{closed_port}")

    assert done == (
        3,
        b"",
        f"miniqueue: cannot connect to 127.0.0.1:{closed_port}: Connection refused\n",
    )


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--ca", "nothing.pem"], 2),
        (["--url", "http://localhost:8080"], 2),
        (["--client-key", "key.pem"], 2),
        (["--pin", "nothing.pem"], 2),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    miniqueue: Here, words: list[str], status: int
) -> None:
    done = miniqueue("topics", *words)

    assert done.status == status
    assert done.err.startswith("miniqueue: ")
    assert done.err.count("\n") == 1


NO_FILE = "'nothing.pem' cannot be used: there is no such file"
NO_CERTIFICATE = "'text.pem' cannot be used: it has no certificate in PEM that can be read"
NO_KEY = "cannot be used: it has no private key in PEM that can be read"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--ca", "nothing.pem"], f"ca {NO_FILE}"),
        (["--ca", "text.pem"], f"ca {NO_CERTIFICATE}"),
        (["--ca", "half.pem"], "ca 'half.pem' cannot be used: it has no certificate in PEM"),
        (["--ca", "."], "ca '.' cannot be used: Is a directory"),
        (["--pin", "nothing.pem"], f"pin {NO_FILE}"),
        (["--pin", "text.pem"], "pin 'text.pem' cannot be used: it is not just a certificate"),
        (["--pin", "empty.pem"], "pin 'empty.pem' cannot be used: it has no certificate in PEM"),
        (["--client-cert", "nothing.pem", "--client-key", "key.pem"], f"certificate {NO_FILE}"),
        (["--client-cert", "text.pem", "--client-key", "key.pem"], f"certificate {NO_CERTIFICATE}"),
        (["--client-cert", "our.pem", "--client-key", "nothing.pem"], f"key {NO_FILE}"),
        (["--client-cert", "our.pem", "--client-key", "text.pem"], f"key 'text.pem' {NO_KEY}"),
        (["--client-cert", "our.pem"], f"certificate 'our.pem' {NO_KEY}; give --client-key too"),
        (
            ["--client-cert", "our.pem", "--client-key", "other.pem"],
            "key 'other.pem' cannot be used: it belongs to another certificate",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_plain_words(
    miniqueue: Here,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    told: str,
) -> None:
    ours, others = (make_certificates(tmp_path / name) for name in ("ours", "others"))
    files = {"our.pem": ours.certificate, "key.pem": ours.key, "other.pem": others.key}
    texts = {name: file.read_text() for name, file in files.items()}
    texts["half.pem"] = texts["our.pem"][:300]
    texts["empty.pem"] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for name, text in {**texts, "text.pem": "hello\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINIQUEUE_CA")

    done = miniqueue("topics", *words)

    assert done.status == 2
    assert done.err.startswith(f"miniqueue: {told}")
    assert done.err.count("\n") == 1
    assert "ssl" not in done.err.lower()


def test_an_authority_that_did_not_sign_is_told(miniqueue: Here, tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")

    done = miniqueue("publish", "x", "-m", "x", "--ca", str(other.authority))

    assert done.status == 3
    assert "its certificate is not signed by" in done.err


def test_an_authority_that_is_missing_is_asked_for_in_the_words_of_a_shell(
    miniqueue: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINIQUEUE_CA")

    done = miniqueue("topics", "--ca", "")

    assert done.status == 3
    assert "its certificate is not signed by the system's authorities" in done.err
    assert done.err.endswith(
        "its CA is certs/ca.pem where that was started: give it as --ca FILE, or in MINIQUEUE_CA\n"
    )
    assert "ca=" not in done.err
