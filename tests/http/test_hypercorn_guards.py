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
from h2.settings import SettingCodes
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame

from miniqueue_py.certificate_paths import CertificatePaths
from miniqueue_py.certificates import make_certificates
from miniqueue_py.http.servers import hypercorn_guards
from miniqueue_py.http.servers.hypercorn_flow import (
    EVENT_BYTES,
    MOST_UNREAD_BYTES,
    Inbox,
    PacedInbox,
)
from miniqueue_py.http.servers.hypercorn_frames import (
    CONNECTION_WINDOW_BYTES,
    GIVE_BACK_BYTES,
    KNOWN_H2_VERSION,
    STREAM_WINDOW_BYTES,
)
from miniqueue_py.http.servers.hypercorn_guards import GUARDED_VERSION, READ_BYTES, RESET_BURST
from tests.http.servers import PIECES, Pages, running, wait_until
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


async def stalled_stream_holds_up_no_other(port: int, ca: Path, _pages: Pages) -> None:
    async with await Connection.open(port, ca) as connection:
        stalled = await connection.stream("POST", "/hold")
        for _ in range(20):
            await stalled.send(b"x", SOON)
        await lives(connection)


async def stalled_stream_holds_back_its_client(port: int, ca: Path, _pages: Pages) -> None:
    async with await Connection.open(port, ca) as connection:
        stalled = await connection.stream("POST", "/hold")
        await stalled.send(b"x" * STREAM_WINDOW_BYTES, SOON)
        await lives(connection)
        assert connection.http2.local_flow_control_window(stalled.id) == 0


async def what_nobody_read_is_given_back_when_its_stream_is_reset(
    port: int, ca: Path, _pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        for _ in range(20):
            stream = await connection.stream("POST", "/hold")
            await stream.send(b"x" * STREAM_WINDOW_BYTES, SOON)
            stream.reset()
        await has_its_whole_window(connection)


async def what_nobody_read_is_given_back_when_its_page_is_done(
    port: int, ca: Path, _pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        for path in ["/early", "/fails", "/deaf"] * 7:
            stream = await connection.stream("POST", path)
            await stream.send(b"x" * (STREAM_WINDOW_BYTES - 1000), SOON)
            await stream.read_until_end(SOON)
        await has_its_whole_window(connection)


async def padding_is_given_back(port: int, ca: Path, pages: Pages) -> None:
    async with await Connection.open(port, ca) as connection:
        stream = await connection.stream("POST", "/listen")
        for size in [0, 1] * 2000:
            assert connection.http2.local_flow_control_window(stream.id) > 256
            connection.http2.send_data(stream.id, b"x" * size, pad_length=255)
        connection.flush()
        await wait_until(lambda: sum(map(len, pages.heard)) == 2000, SOON)
        await has_its_whole_window(connection)


async def whatever_is_there_of_a_frame_is_heard(port: int, ca: Path, pages: Pages) -> None:
    async with await Connection.open(port, ca) as connection:
        stream = await connection.stream("POST", "/listen")
        frame = DataFrame(stream.id, b"first half, second half").serialize()
        connection.send_raw(frame[: 9 + len("first half")])
        await wait_until(lambda: pages.heard == [b"first half"], SOON)
        connection.send_raw(frame[9 + len("first half") :])
        await wait_until(lambda: pages.heard[1:] == [b", second half"], SOON)
        await lives(connection)


async def frame_that_will_be_too_large_is_refused_at_once(
    port: int, ca: Path, _pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        stream = await connection.stream("POST", "/hold")
        connection.send_raw(b"\xff\xff\xff\0\0" + stream.id.to_bytes(4))
        await wait_until(lambda: not connection.is_alive, SOON)


async def header_block_that_is_too_long_is_refused_at_once(
    port: int, ca: Path, _pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        connection.send_raw(HeadersFrame(1, b"\x83\x87\x84").serialize())
        for _ in range(5):
            connection.send_raw(ContinuationFrame(1, b"\0" * 16_000).serialize())
        await wait_until(lambda: not connection.is_alive, SOON)


async def page_whose_client_lets_nothing_through_ends_with_the_connection(
    port: int, ca: Path, pages: Pages
) -> None:
    async with await Connection.open(port, ca) as connection:
        connection.http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        stream = await connection.stream("GET", "/brief")
        stream.end()
        await stream.headers(SOON)
        connection.abort()
        await wait_until(lambda: pages.heard == [b"done"], SOON)


async def has_its_whole_window(connection: Connection) -> None:
    """Wait until no more is missing than what is told together with what comes next."""
    least = CONNECTION_WINDOW_BYTES - GIVE_BACK_BYTES
    await wait_until(lambda: connection.http2.outbound_flow_control_window > least, SOON)
    await lives(connection)


SCENARIOS: tuple[Scenario, ...] = (
    data_after_the_servers_end_keeps_the_connection,
    page_that_does_not_listen_holds_up_no_other_once_it_is_done,
    failed_handler_ends_its_stream,
    client_that_does_not_read_holds_back_its_sender,
    more_than_a_thousand_streams_live_on_one_connection,
    client_that_did_not_notice_the_end_is_told,
    endless_upload_to_a_page_that_answered_is_stopped,
    flood_of_resets_ends_the_connection,
    stalled_stream_holds_up_no_other,
    stalled_stream_holds_back_its_client,
    what_nobody_read_is_given_back_when_its_stream_is_reset,
    what_nobody_read_is_given_back_when_its_page_is_done,
    padding_is_given_back,
    whatever_is_there_of_a_frame_is_heard,
    frame_that_will_be_too_large_is_refused_at_once,
    header_block_that_is_too_long_is_refused_at_once,
    page_whose_client_lets_nothing_through_ends_with_the_connection,
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


async def test_long_upload_comes_whole(certificates: CertificatePaths) -> None:
    body = b"".join(b"%07d\n" % number for number in range(3 << 20))
    async with (
        running(certificates, is_guarded=True) as (port, pages),
        await Connection.open(port, certificates.authority) as connection,
    ):
        answer = await connection.request("POST", "/listen", body)
        assert answer.body == b"%d" % len(body)
        assert b"".join(pages.heard) == body
        assert max(map(len, pages.heard)) <= max(EVENT_BYTES, READ_BYTES)


async def test_bodies_of_all_sizes_come_in_their_order(certificates: CertificatePaths) -> None:
    async with (
        running(certificates, is_guarded=True) as (port, _),
        await Connection.open(port, certificates.authority) as narrow,
        await Connection.open(port, certificates.authority) as wide,
    ):
        await open_wide(wide)
        for connection in narrow, wide:
            answer = await connection.request("GET", "/pieces")
            assert answer.body == b"".join(PIECES)


async def test_page_whose_client_takes_all_does_not_stop_the_others(
    certificates: CertificatePaths,
) -> None:
    async with (
        running(certificates, is_guarded=True) as (port, pages),
        await Connection.open(port, certificates.authority) as greedy,
        await Connection.open(port, certificates.authority) as other,
    ):
        await open_wide(greedy)
        endless = await greedy.stream("GET", "/chatter")
        await endless.headers(SOON)
        await lives(other)
        await lives(greedy)
        pages.release.set()


async def test_last_words_before_a_reset_are_heard(certificates: CertificatePaths) -> None:
    async with (
        running(certificates, is_guarded=True) as (port, pages),
        await Connection.open(port, certificates.authority) as connection,
    ):
        stream = await connection.stream("POST", "/listen")
        connection.http2.send_data(stream.id, b"last words")
        stream.reset()
        await wait_until(lambda: pages.heard == [b"last words"], SOON)


async def test_tiny_pieces_are_gathered() -> None:
    taken: list[int] = []
    inbox = Inbox(taken.append)
    for _ in range(EVENT_BYTES):
        inbox.put_data(b"xyz")
    assert len(inbox._pieces) == 4
    await inbox.put({"type": "http.request", "body": b"", "more_body": False})
    await inbox.put({"type": "http.disconnect"})
    events = [await inbox.receive() for _ in range(5)]
    assert b"".join(event["body"] for event in events[:4]) == b"xyz" * EVENT_BYTES
    assert [event["more_body"] for event in events[:4]] == [True, True, True, False]
    assert events[4] == {"type": "http.disconnect"}
    assert taken == [len(event["body"]) for event in events[:4]]


@pytest.mark.parametrize("relief", ["it is read", "its stream is over"])
async def test_paced_inbox_holds_back_who_fills_it(relief: str) -> None:
    inbox = PacedInbox()
    piece = {"type": "http.request", "body": bytes(MOST_UNREAD_BYTES), "more_body": True}
    await inbox.put(piece)
    filling = asyncio.create_task(inbox.put(piece))
    await asyncio.sleep(0)
    assert not filling.done()

    if relief == "it is read":
        assert len((await inbox.receive())["body"]) >= MOST_UNREAD_BYTES
    else:
        await inbox.put({"type": "http.disconnect"})
    await asyncio.wait_for(filling, SOON)


async def open_wide(connection: Connection) -> None:
    """Let the server send for ever."""
    connection.http2.increment_flow_control_window(1 << 30)
    connection.http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 30})
    connection.flush()
    await lives(connection)


def test_the_guarded_version_is_the_installed_one() -> None:
    assert version("hypercorn") == GUARDED_VERSION, "try each guard anew, then pin the new version"


def test_the_known_version_of_h2_is_the_installed_one() -> None:
    assert version("h2") == KNOWN_H2_VERSION, "see if hypercorn_frames still fits, then pin it"
