"""The guards of Hypercorn's HTTP/1.1, in clear: each mends what the bare server still does."""

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence

import pytest

from tests.http.servers import running, wait_until

pytestmark = pytest.mark.anyio

SOON = 2.0


async def ask_in_clear_and_hang_up(port: int) -> None:
    """Be gone once the answer has come, and see that the server notices."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /early HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SOON)
        assert head.startswith(b"HTTP/1.1 200")
        writer.write_eof()
        await asyncio.wait_for(reader.read(), SOON)
    finally:
        writer.close()
        await writer.wait_closed()


async def test_connection_in_clear_ends_with_its_client() -> None:
    async with running(None, is_guarded=True) as (port, _):
        await ask_in_clear_and_hang_up(port)
        before = len(asyncio.all_tasks())
        for _ in range(10):
            await ask_in_clear_and_hang_up(port)
        await wait_until(lambda: len(asyncio.all_tasks()) <= before)


async def test_guard_of_connections_in_clear_is_still_needed() -> None:
    async with running(None, is_guarded=False) as (port, _):
        with pytest.raises(TimeoutError):
            await ask_in_clear_and_hang_up(port)


async def test_connection_that_ends_with_its_loop_is_no_error() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    async with running(None, is_guarded=True) as (port, _):

        def connections() -> list[asyncio.Task[object]]:
            tasks = asyncio.all_tasks()
            return [task for task in tasks if "_server_callback" in repr(task.get_coro())]

        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await wait_until(lambda: bool(connections()))
        for task in connections():
            task.cancel()
        await wait_until(lambda: not connections())
        writer.close()
        await writer.wait_closed()
    assert told == []


async def upload_what_nobody_reads(port: int, page: str) -> None:
    """Send a body in many chunks to a page that hears none; be answered, and let go."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head % page.encode() + b"1\r\nx\r\n" * 50)
        answer = await asyncio.wait_for(reader.read(), SOON)
        assert answer.startswith(b"HTTP/1.1 200")
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("page", ["/early", "/deaf"])
async def test_chunks_that_nobody_reads_keep_no_connection(page: str) -> None:
    async with running(None, is_guarded=True) as (port, _):
        await upload_what_nobody_reads(port, page)
        before = len(asyncio.all_tasks())
        for _ in range(10):
            await upload_what_nobody_reads(port, page)
        await wait_until(lambda: len(asyncio.all_tasks()) <= before)


@pytest.mark.parametrize("page", ["/early", "/deaf"])
async def test_guard_of_chunks_that_nobody_reads_is_still_needed(page: str) -> None:
    async with running(None, is_guarded=False) as (port, _):
        with pytest.raises(TimeoutError):
            await upload_what_nobody_reads(port, page)


Hang = Callable[[asyncio.StreamWriter], None]


def reset(writer: asyncio.StreamWriter) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def finish(writer: asyncio.StreamWriter) -> None:
    writer.write_eof()


async def ask_several_and_go(port: int, pages: Sequence[str], go: Hang) -> asyncio.StreamWriter:
    """Ask for pages at once, and be gone before the first is answered."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.writelines(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % page.encode() for page in pages)
    await writer.drain()
    await asyncio.sleep(0.05)  # it is read, and the first page begun
    go(writer)
    return writer


async def the_first_of_several_learns_that_its_client_has_gone(go: Hang, is_guarded: bool) -> None:
    async with running(None, is_guarded=is_guarded) as (port, pages):
        writer = await ask_several_and_go(port, ["/patient", "/patient"], go)
        try:
            await wait_until(lambda: bool(pages.heard), 2 * SOON)
            await asyncio.sleep(0.05)
            assert pages.heard == [b"gone"], "the second was never begun"
        finally:
            writer.transport.abort()


@pytest.mark.parametrize("go", [reset, finish])
async def test_first_of_several_learns_that_its_client_has_gone(go: Hang) -> None:
    await the_first_of_several_learns_that_its_client_has_gone(go, is_guarded=True)


@pytest.mark.parametrize("go", [reset, finish])
async def test_guard_of_the_first_of_several_is_still_needed(go: Hang) -> None:
    with pytest.raises(TimeoutError):
        await the_first_of_several_learns_that_its_client_has_gone(go, is_guarded=False)


async def several_whose_client_has_gone_keep_no_connection(is_guarded: bool) -> None:
    async with running(None, is_guarded=is_guarded) as (port, _):
        await asyncio.sleep(0.05)  # all of the server's own are there
        before = len(asyncio.all_tasks())
        for _ in range(5):
            await ask_several_and_go(port, ["/deaf", "/deaf", "/deaf"], reset)
        await wait_until(lambda: len(asyncio.all_tasks()) <= before, 2 * SOON)


async def test_several_whose_client_has_gone_keep_no_connection() -> None:
    await several_whose_client_has_gone_keep_no_connection(is_guarded=True)


async def test_guard_of_several_whose_client_has_gone_is_still_needed() -> None:
    with pytest.raises(TimeoutError):
        await several_whose_client_has_gone_keep_no_connection(is_guarded=False)
