"""HTTP/1.1 over TLS by hand, for the requests that must or must not work with it."""

import asyncio
import contextlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.outside.stream import PATIENCE
from tests.outside.wire import tls_context


class PlainConnection:
    """One TLS connection that speaks HTTP/1.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, ca: Path) -> Self:
        async with asyncio.timeout(PATIENCE):
            return cls(
                *await asyncio.open_connection(
                    "127.0.0.1",
                    port,
                    ssl=tls_context(ca, "http/1.1"),
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
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await self._writer.wait_closed()
        self._writer.transport.abort()

    async def ask(self, method: str, path: str, *headers: str) -> None:
        """Send a request's head; its body is sent with the other verbs."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
        await self.send("\r\n".join(lines).encode())

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def send_chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def read_head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(":")[::2] for line in head[1:] if line)
        return int(head[0].split()[1]), {name.lower(): value.strip() for name, value in pairs}

    async def read_chunk(self) -> bytes:
        """The next chunk of a chunked answer; empty at its end."""
        async with asyncio.timeout(PATIENCE):
            size = int(await self._reader.readline(), 16)
            return (await self._reader.readexactly(size + 2))[:-2]

    async def read_json_chunk(self) -> Any:
        return json.loads(await self.read_chunk())

    async def read_body(self, headers: dict[str, str]) -> bytes:
        async with asyncio.timeout(PATIENCE):
            if "content-length" in headers:
                return await self._reader.readexactly(int(headers["content-length"]))
        body = b""
        while chunk := await self.read_chunk():
            body += chunk
        return body
