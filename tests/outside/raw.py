"""Bytes on a connection, for what no client library would say."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.outside.stream import PATIENCE


class RawConnection:
    """A TCP connection, with TLS on it or without, and nothing above."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received = b""
        self.has_ended = False
        """The server closed it."""
        self._reader = reader
        self._writer = writer
        # With a mark of zero, `drain` waits until the kernel has it all.
        writer.transport.set_write_buffer_limits(0)

    @classmethod
    async def open(cls, port: int, ca: Path | None, protocols: Sequence[str] = ("h2",)) -> Self:
        """Connect to the broker; without `ca` there is no TLS."""
        context = None
        if ca is not None:
            context = ssl.create_default_context(cafile=ca)
            if protocols:
                context.set_alpn_protocols(list(protocols))
        async with asyncio.timeout(PATIENCE):
            if context is None:
                return cls(*await asyncio.open_connection("127.0.0.1", port))
            return cls(
                *await asyncio.open_connection(
                    "127.0.0.1",
                    port,
                    ssl=context,
                    server_hostname="localhost",
                    ssl_shutdown_timeout=1,
                )
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def send(self, *pieces: bytes) -> None:
        """Send each piece by itself; a server that has closed is no error."""
        try:
            async with asyncio.timeout(PATIENCE):
                for piece in pieces:
                    self._writer.write(piece)
                    await self._writer.drain()
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise AssertionError("the server does not read on, nor does it close") from None

    async def read_until(self, is_enough: Callable[[bytes], bool]) -> None:
        """Read on until what came is enough, or until the server has closed."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not self.has_ended and not is_enough(self.received):
                    data = await self._reader.read(1 << 16)
                    self.received += data
                    self.has_ended = not data
        except TimeoutError:
            raise AssertionError(f"only {self.received[-300:]!r} within {PATIENCE} s") from None
        except OSError:
            self.has_ended = True

    async def hang_up(self) -> None:
        """Say nothing more, and wait until the server has taken it all in and closed."""
        with contextlib.suppress(OSError):
            self._writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await self.read_until(lambda _: False)
