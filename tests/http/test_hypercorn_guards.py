"""Each guard around Hypercorn: what it mends, and that it is still needed.

Every scenario is run with our guards, where it must pass, and on the bare
server, where it must fail. One that passes there says that a new Hypercorn
no longer needs the guard: take it out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import h2.exceptions
import pytest

from miniqueue_py.certificate_paths import CertificatePaths
from miniqueue_py.certificates import make_certificates
from miniqueue_py.http.servers import hypercorn_guards
from miniqueue_py.http.servers.hypercorn_guards import GUARDED_VERSION, RESET_BURST
from tests.http.servers import Pages, running, wait_until
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

Scenario = Callable[[int, Path, Pages], Awaitable[None]]

SOON = 2.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


async def lives(connection: Connection) -> None:
    response = await connection.request("POST", "/echo", b"hello", wait_seconds=SOON)
    assert response.body == b"hello"
    assert connection.is_alive


async def data_after_the_servers_end_keeps_the_connection(
    port: int, ca: Path, _pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        stream = await connection.stream("POST", "/early")
        await stream.read_until_end()
        await stream.send(b"more", SOON)
        await stream.send(b"and more", SOON)
        await lives(connection)


async def page_that_does_not_listen_holds_up_no_other_once_it_is_done(
    port: int, ca: Path, _pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        stream = await connection.stream("POST", "/deaf")
        for _ in range(20):
            await stream.send(b"x", SOON)
        await lives(connection)


async def failed_handler_ends_its_stream(port: int, ca: Path, _pages: Pages) -> None:
    async with await Connection.open(port, ca) as connection:
        stream = await connection.stream("POST", "/fails")
        stream.end()
        await stream.read_until_end(SOON)
        assert stream.reset_code is not None
        await lives(connection)


async def client_that_does_not_read_holds_back_its_sender(
    port: int, ca: Path, pages: Pages
) -> None:
    async with await Connection.open(port, ca, reading=False) as silent:
        await silent.stream("POST", "/flood")
        async with await Connection.open(port, ca) as connection:
            for _ in range(50):
                await lives(connection)
            assert not pages.is_flood_over.is_set()


async def more_than_a_thousand_streams_live_on_one_connection(
    port: int, ca: Path, _pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        for _ in range(1005):
            await connection.stream("POST", "/hold")
        await lives(connection)


async def client_that_did_not_notice_the_end_is_told(port: int, ca: Path, _pages: Pages) -> None:
    async with await Connection.open(port, ca) as connection:
        stream = await connection.stream("POST", "/early")
        await stream.read_until_end(SOON)
        await wait_until(lambda: stream.reset_code == 0, SOON)
        await lives(connection)


async def endless_upload_to_a_page_that_answered_is_stopped(
    port: int, ca: Path, _pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        stream = await connection.stream("POST", "/early")
        await stream.read_until_end(SOON)
        async with asyncio.timeout(SOON):
            while stream.reset_code is None:
                await stream.send(b"x" * 10_000, SOON)
                await asyncio.sleep(0)
        await lives(connection)


async def flood_of_resets_ends_the_connection(port: int, ca: Path, _pages: Pages) -> None:
    async with await Connection.open(port, ca) as connection:
        with suppress(h2.exceptions.ProtocolError):  # it is over already
            for _ in range(RESET_BURST + 500):
                (await connection.stream("POST", "/hold")).reset()
        await wait_until(lambda: not connection.is_alive, SOON)


SCENARIOS: tuple[Scenario, ...] = (
    data_after_the_servers_end_keeps_the_connection,
    page_that_does_not_listen_holds_up_no_other_once_it_is_done,
    failed_handler_ends_its_stream,
    client_that_does_not_read_holds_back_its_sender,
    more_than_a_thousand_streams_live_on_one_connection,
    client_that_did_not_notice_the_end_is_told,
    endless_upload_to_a_page_that_answered_is_stopped,
    flood_of_resets_ends_the_connection,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_guarded(
    scenario: Scenario, certificates: CertificatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hypercorn_guards, "RESETS_A_SECOND", 0)  # no machine's speed matters
    async with running(certificates, is_guarded=True) as (port, pages):
        await scenario(port, certificates.authority, pages)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_guard_is_still_needed(scenario: Scenario, certificates: CertificatePaths) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    async with running(certificates, is_guarded=False) as (port, pages):
        with pytest.raises((AssertionError, TimeoutError, ConnectionError)):
            await scenario(port, certificates.authority, pages)


async def test_idle_connection_is_closed_and_an_idle_stream_is_not(
    certificates: CertificatePaths,
) -> None:
    async with running(certificates, is_guarded=True, keep_alive_seconds=0.2) as (port, _):
        ca = certificates.authority
        async with await Connection.open(port, ca) as idle, await Connection.open(port, ca) as used:
            await used.stream("POST", "/hold")
            await wait_until(lambda: idle.is_lost)
            await lives(used)


def test_the_guarded_version_is_the_installed_one() -> None:
    assert version("hypercorn") == GUARDED_VERSION, "try each guard anew, then pin the new version"
