"""A broker, a client on asyncio and on trio, and the promise that nothing is left behind."""

import gc
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from miniqueue_py.client import Client
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.client.leaks import expect_no_new_task, living_tasks, open_sockets
from tests.client.proxy import Proxy
from tests.outside.conftest import no_stumble
from tests.outside.server import RunningBroker

FLAGS = ("-fsync", "never", "-period", "20ms", "-drain", "2s")

_numbers = itertools.count(1)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture(scope="session", autouse=True)
def frozen_past() -> None:
    """What was made up to now is not looked through again: it makes a collection cheap."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_socket_left(frozen_past: None) -> Iterator[None]:
    """When a test is over, so are its sockets, closed and not just forgotten.

    The collection brings what was forgotten to light: pytest makes an error of it.
    """
    before = open_sockets()
    yield
    gc.collect()
    left = open_sockets() - before
    assert not left, f"sockets were left open: {left}"


@pytest.fixture(autouse=True)
async def no_task_left(no_socket_left: None) -> AsyncIterator[None]:
    before = living_tasks()
    yield
    await expect_no_new_task(before)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def session_broker(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    directory = tmp_path_factory.mktemp("db") / "miniqueue"
    with RunningBroker(directory, certificates, flags=FLAGS) as broker:
        yield broker


@pytest.fixture
def broker(session_broker: RunningBroker) -> Iterator[RunningBroker]:
    """A broker for all tests; every one brings topics of its own."""
    if not session_broker.is_running:
        session_broker.restart()
    with no_stumble(session_broker):
        yield session_broker


@pytest.fixture(scope="session")
def mortal_broker(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    directory = tmp_path_factory.mktemp("db") / "miniqueue"
    with RunningBroker(directory, certificates, flags=FLAGS) as broker:
        yield broker


@pytest.fixture
def own_broker(mortal_broker: RunningBroker) -> Iterator[RunningBroker]:
    """A broker that a test may kill, as tests before it may have done."""
    if not mortal_broker.is_running:
        mortal_broker.restart()
    with no_stumble(mortal_broker):
        yield mortal_broker


@pytest.fixture
def proxy(broker: RunningBroker) -> Iterator[Proxy]:
    with Proxy(broker.port) as proxy:
        yield proxy


@pytest.fixture
def url(broker: RunningBroker) -> str:
    return f"https://localhost:{broker.port}"


@pytest.fixture
def ca(certificates: CertificatePaths) -> Path:
    return certificates.authority


@pytest.fixture
async def queue(url: str, ca: Path, no_task_left: None) -> AsyncIterator[Client]:
    async with Client(url, ca=ca) as queue:
        yield queue


@pytest.fixture
async def far_queue(proxy: Proxy, ca: Path, no_task_left: None) -> AsyncIterator[Client]:
    """A client behind the proxy."""
    async with Client(proxy.url, ca=ca) as queue:
        yield queue


@pytest.fixture
def topic() -> str:
    return f"topic-{next(_numbers)}"
