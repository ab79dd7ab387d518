"""A broker for the examples, each of which runs as its readers run it."""

import itertools
from collections.abc import Iterator

import pytest

from miniqueue_py import SyncClient
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.server import RunningBroker

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    flags = ("-fsync", "never", "-period", "20ms", "-drain", "2s")
    with RunningBroker(tmp_path_factory.mktemp("db"), certificates, flags=flags) as broker:
        yield broker


@pytest.fixture
def where(broker: RunningBroker) -> tuple[str, ...]:
    """What tells an example which broker."""
    return ("--url", f"https://localhost:{broker.port}", "--ca", str(broker.ca))


@pytest.fixture
def topic() -> str:
    return f"topic-{next(_numbers)}"


@pytest.fixture
def sync_queue(broker: RunningBroker) -> Iterator[SyncClient]:
    with SyncClient(f"https://localhost:{broker.port}", ca=broker.ca) as queue:
        yield queue
