"""A broker, its commands in this process or as one of their own, and its pages beside them."""

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniqueue_py.cli.main import main
from miniqueue_py.tls.certificates import make_certificates
from tests.cli.commands import Commands, Done
from tests.cli.pages import Pages
from tests.outside.conftest import no_stumble
from tests.outside.server import RunningBroker
from tests.storage.conftest import library  # noqa: F401  a fixture

QUICK = ("-fsync", "never", "-period", "50ms")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def one_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    directory = tmp_path_factory.mktemp("broker")
    certificates = make_certificates(directory / "certs")
    with RunningBroker(directory / "db", certificates, flags=QUICK) as broker:
        yield broker


@pytest.fixture
def broker(one_broker: RunningBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningBroker]:
    """The broker of all tests here; the environment says where it is."""
    for variable in [name for name in os.environ if name.startswith("MINIQUEUE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("MINIQUEUE_URL", f"https://localhost:{one_broker.port}")
    monkeypatch.setenv("MINIQUEUE_CA", str(one_broker.ca))
    with no_stumble(one_broker):
        yield one_broker


@pytest.fixture
def pages(broker: RunningBroker) -> Pages:
    return Pages(broker)


@pytest.fixture
def topic() -> str:
    return f"topic-{next(_numbers)}"


class Here:
    """Runs a command in this process, for it starts twenty times faster so."""

    def __init__(
        self,
        capture: pytest.CaptureFixture[bytes],
        monkeypatch: pytest.MonkeyPatch,
        directory: Path,
    ) -> None:
        self._capture = capture
        self._monkeypatch = monkeypatch
        self._directory = directory

    def __call__(self, *words: str, stdin: bytes = b"") -> Done:
        file = self._directory / "stdin"
        file.write_bytes(stdin)
        with file.open() as opened:
            self._monkeypatch.setattr(sys, "stdin", opened)
            with pytest.raises(SystemExit) as caught:
                main(words)
        out, err = self._capture.readouterr()
        assert isinstance(caught.value.code, int)
        return Done(caught.value.code, out, err.decode())


@pytest.fixture
def miniqueue(
    broker: RunningBroker,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Here:
    """A command against the broker, to its end."""
    return Here(capfdbinary, monkeypatch, tmp_path)


@pytest.fixture
def commands(broker: RunningBroker, tmp_path: Path) -> Iterator[Commands]:
    """Commands as processes of their own, in pipes and terminals; none outlives the test."""
    with Commands(tmp_path) as commands:
        yield commands
