"""curl as a subscriber, typed as in the README.

`-T .` reads stdin without blocking; `-T -` would wait for its end first.
"""

import asyncio
import contextlib
import json
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.outside.absence import absent
from tests.outside.server import RunningBroker
from tests.outside.stream import PATIENCE


def find_curl() -> str:
    curl = shutil.which("curl")
    if curl is None:
        absent("curl is not installed")
    return curl


async def run_curl(ca: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run curl to its end and give what it printed."""
    process = await asyncio.create_subprocess_exec(
        find_curl(),
        *("-sS", "-N", "--http2", "--cacert", str(ca), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate(stdin)
    finally:
        await _end(process)
    assert process.returncode == 0, f"curl ended with {process.returncode}"
    return output


class CurlPages:
    """Pages as somebody asks for them in a terminal, with one version of HTTP."""

    def __init__(self, broker: RunningBroker, version: str) -> None:
        self._broker = broker
        self._version = version

    async def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """The JSON that a page answers with, or None."""
        url = f"https://localhost:{self._broker.port}{path}"
        data = () if body is None else ("-d", json.dumps(body))
        said = await run_curl(
            self._broker.ca, self._version, "-w", "\n%{http_code}", "-X", method, *data, url
        )
        answer, _, code = said.rpartition(b"\n")
        assert int(code) == status, said
        return json.loads(answer) if answer else None


class CurlSubscription:
    """A running `curl -T .` with pipes to type into and to read from."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def open(cls, ca: Path, url: str, version: str = "--http2") -> Self:
        process = await asyncio.create_subprocess_exec(
            find_curl(),
            *("-sN", version, "--cacert", str(ca), "-X", "POST", "-T", ".", url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await _end(self._process)

    async def type(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        await self._process.stdin.drain()

    def end_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def read_line(self, wait_seconds: float = PATIENCE) -> bytes:
        """The next line that curl prints, as it is."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(wait_seconds):
                return await self._process.stdout.readline()
        except TimeoutError:
            raise AssertionError(f"curl printed no line within {wait_seconds} s") from None

    def freeze(self) -> None:
        """Stop the process: nothing is read and nothing said, but its socket stays open."""
        self._process.send_signal(signal.SIGSTOP)

    async def wait_end(self, wait_seconds: float = PATIENCE) -> int:
        async with asyncio.timeout(wait_seconds):
            return await self._process.wait()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
