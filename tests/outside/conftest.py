"""Running brokers for tests, and the promise that none of them ever stumbles."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.bystander import Bystander
from tests.outside.server import RunningBroker, StartBroker, parse_fact
from tests.outside.wire import Connection
from tests.storage.engines import skip_if_absent

QUICK = ("-fsync", "never", "-period", "50ms")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def flags() -> tuple[str, ...]:
    """What the module's broker is started with; a module may say otherwise."""
    return QUICK


@pytest.fixture(scope="module")
def module_broker(
    certificates: CertificatePaths,
    flags: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBroker]:
    directory = tmp_path_factory.mktemp("db") / "miniqueue"
    with RunningBroker(directory, certificates, flags) as broker:
        yield broker


@pytest.fixture
def broker(module_broker: RunningBroker) -> Iterator[RunningBroker]:
    """The module's broker; every test brings topics of its own."""
    if not module_broker.is_running:
        module_broker.restart()
    with no_stumble(module_broker):
        yield module_broker
        assert module_broker.is_running, "\n".join(module_broker.log_lines()[-50:])


@pytest.fixture
def scheme(request: pytest.FixtureRequest) -> str:
    """The library that brokers are started with; without a parameter it is the first there is."""
    name: str = getattr(request, "param", "")
    skip_if_absent(name)
    return name


@pytest.fixture
def start_broker(
    certificates: CertificatePaths, tmp_path: Path, scheme: str
) -> Iterator[StartBroker]:
    """Start a broker for this test alone, with the flags it needs."""
    with ExitStack() as stack:

        def start(*flags: str, program: str = "miniqueue_py") -> RunningBroker:
            directory = tmp_path / f"{next(_numbers)}" / "db"
            broker = RunningBroker(
                directory, certificates, (*QUICK, *flags), program=program, scheme=scheme
            )
            stack.enter_context(no_stumble(broker))
            return stack.enter_context(broker)

        yield start


@pytest.fixture
async def connection(broker: RunningBroker) -> AsyncIterator[Connection]:
    async with await Connection.open(broker.port, broker.ca) as connection:
        yield connection
        assert connection.is_alive, "the connection ended under the test"


@pytest.fixture
async def bystander(
    broker: RunningBroker, connection: Connection, topic: str
) -> AsyncIterator[Bystander]:
    """Who must not notice what the test does; nor must the log, down to its last line."""
    seen = len(broker.log_lines())
    yield await Bystander.waiting(connection, topic)
    assert [line for line in broker.log_lines()[seen:] if not parse_fact(line)] == []


@pytest.fixture
def topic() -> str:
    """A topic nobody else uses, nor one that is a letter shorter."""
    return f"topic-{next(_numbers)}t"


@contextmanager
def no_stumble(broker: RunningBroker) -> Iterator[None]:
    """Whatever is done inside, the broker logs no error and no traceback."""
    seen = len(broker.log_lines())
    yield
    log = broker.log_lines()[seen:]
    assert not any(tells_of_a_stumble(line) for line in log), "\n".join(log[-80:])


def tells_of_a_stumble(line: str) -> bool:
    return "Traceback" in line or parse_fact(line).get("level") in {"error", "critical"}
