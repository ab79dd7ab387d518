"""Other people's clients, which ask what a transcript says: curl, httpx and websockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.outside.curl import find_curl
from tests.outside.dialect_transcript import (
    Block,
    Reply,
    blocks,
    body_of,
    difference,
    is_as_told,
)
from tests.outside.dialects import dialect_url
from tests.outside.server import RunningBroker
from tests.outside.stream import PATIENCE

Ask = Callable[[str, str, Sequence[tuple[str, str]], bytes], Coroutine[Any, Any, Reply]]
"""Sends method, URL, headers and body."""


class Way(NamedTuple):
    """How a client comes to a dialect."""

    client: str
    is_clear: bool
    version: str

    def __str__(self) -> str:
        return f"{self.client}-{'clear' if self.is_clear else 'tls'}-{self.version}"


WAYS = [
    Way("curl", is_clear=True, version="HTTP/1.1"),
    Way("httpx", is_clear=True, version="HTTP/1.1"),
    Way("curl", is_clear=False, version="HTTP/1.1"),
    Way("httpx", is_clear=False, version="HTTP/1.1"),
    Way("curl", is_clear=False, version="HTTP/2"),
    Way("httpx", is_clear=False, version="HTTP/2"),
]


@asynccontextmanager
async def asking(way: Way, ca: Path) -> AsyncIterator[Ask]:
    """Have a client until the block ends."""
    if way.client == "curl":
        yield _curl(way, ca)
        return
    is_new = way.version == "HTTP/2"
    trust = ssl.create_default_context(cafile=str(ca))
    async with httpx.AsyncClient(
        http1=not is_new, http2=is_new, verify=trust, timeout=PATIENCE
    ) as client:

        async def ask(
            method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes
        ) -> Reply:
            sent = body if body or method == "POST" else None
            answer = await client.request(method, url, headers=[*headers], content=sent)
            names = [(name.lower(), value) for name, value in answer.headers.items()]
            return Reply(answer.http_version, answer.status_code, names, answer.content)

        yield ask


def _curl(way: Way, ca: Path) -> Ask:
    version = "--http1.1" if way.version == "HTTP/1.1" else "--http2"
    always = (find_curl(), "-sSi", "--path-as-is", "-g", version, "--cacert", str(ca))

    async def ask(method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Reply:
        words = [word for name, value in headers for word in ("-H", f"{name}: {value}")]
        words += ["-H", "Expect:"]  # not a head of its own for a long body
        if "content-type" not in dict(headers):
            words += ["-H", "Content-Type:"]
        words += ["-I"] if method == "HEAD" else ["-X", method]
        if body or method == "POST":
            words += ["--data-binary", "@-"]
        process = await asyncio.create_subprocess_exec(
            *(*always, *words, url), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(PATIENCE):
                output, _ = await process.communicate(body)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"curl ended with {process.returncode}: {method} {url}"
        return _read(output)

    return ask


def _read(output: bytes) -> Reply:
    """What `curl -i` prints."""
    head, _, body = output.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status = first.split()[:2]
    pairs = [line.partition(":")[::2] for line in lines]
    return Reply(
        version, int(status), [(name.lower(), value.strip()) for name, value in pairs], body
    )


async def replay(broker: RunningBroker, name: str, way: Way, transcript: Path) -> None:
    """Have a client go through a transcript with a dialect of a broker."""
    tls = f"https://localhost:{broker.port}/{name}"
    url = dialect_url(broker, name) if way.is_clear else tls
    async with asking(way, broker.ca) as ask:
        conversation = _Conversation(way, url, ask, broker.ca)
        try:
            await conversation.go_through(list(blocks(transcript)))
        finally:
            await conversation.close()


class _Conversation:
    """Goes through a transcript with one client, at one address."""

    def __init__(self, way: Way, url: str, ask: Ask, ca: Path) -> None:
        self._way = way
        self._url = url
        self._ask = ask
        self._ca = ca
        self._asked: dict[str, asyncio.Task[Reply]] = {}
        self._sockets: dict[str, ClientConnection | InvalidStatus] = {}

    async def close(self) -> None:
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        for socket in self._sockets.values():
            if isinstance(socket, ClientConnection):
                await socket.close()

    async def go_through(self, transcript: Sequence[Block]) -> None:
        for block in transcript:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._do(block)
            except TimeoutError:
                raise AssertionError(f"{block.where}: nothing came of {block.lines}") from None
        assert not self._asked, f"the transcript tells no answer for {list(self._asked)}"

    async def _do(self, block: Block) -> None:
        if block.is_request and block.head.startswith("WEBSOCKET "):
            await self._open_socket(block)
        elif block.name in self._sockets:
            for line in block.lines:
                await self._converse(block, line)
        elif block.is_request:
            method, _, path = block.head.partition(" ")
            assert block.name not in self._asked, f"{block.where}: the one before has no answer"
            self._asked[block.name] = asyncio.create_task(
                self._ask(method, self._url + path, block.headers, block.body)
            )
        else:
            reply = await self._asked.pop(block.name)
            problem = difference(block, reply)
            assert problem is None, f"by {self._way}: {problem}"
            assert reply.version == self._way.version

    async def _open_socket(self, block: Block) -> None:
        url = self._url.replace("http", "ws", 1) + block.head.removeprefix("WEBSOCKET ")
        trust = None if self._way.is_clear else ssl.create_default_context(cafile=str(self._ca))
        try:
            self._sockets[block.name] = await connect(url, ssl=trust)
        except InvalidStatus as refused:
            self._sockets[block.name] = refused
        for line in block.lines[1:]:
            await self._converse(block, line)

    async def _converse(self, block: Block, line: str) -> None:
        socket = self._sockets[block.name]
        if isinstance(socket, InvalidStatus):
            assert line == f"REFUSED {socket.response.status_code}", block.where
        elif line == "CLOSE":
            await socket.close()
            del self._sockets[block.name]
        elif block.is_request:
            body = body_of(line)
            await socket.send(body if line.startswith("<hex") else body.decode())
        elif line.startswith("CLOSED "):
            with_code = await _wait_closed(socket)
            assert line == f"CLOSED {with_code}", f"{block.where}: closed with {with_code}"
        else:
            said = await socket.recv(decode=False)
            assert is_as_told(line, said, is_json=True), f"{block.where}: {said!r} came"


async def _wait_closed(socket: ClientConnection) -> int:
    try:
        said = await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    raise AssertionError(f"it is not closed: {said!r} came")
