"""The Python of a document, run, and what it prints beside what it says.

A `python` block is a snippet; a `text` block right behind it is what it prints.
All snippets of a document share their names and one event loop, asyncio's, and
run from top to bottom in the directory where the broker's certificates are.
`queue` is there from the beginning. `await` may stand anywhere, as in `python
-m asyncio`; a snippet without it runs in a thread, so that it may block or run
a loop of its own.

A snippet that waits for more messages than there are is left, as its reader
would: when for a moment nothing is in flight, and nothing ready.
"""

import ast
import inspect
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from types import CodeType
from typing import Any, NamedTuple

import anyio

from miniqueue_py import Client

PATIENCE = 30.0

_LOOKS = 10
_AGAIN = 0.02
"""So often in a row, with so many seconds in between, nothing must be left to do."""

_BLOCK = re.compile(
    r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)\n```$)?", re.MULTILINE | re.DOTALL
)


class Snippet(NamedTuple):
    text: str
    line: int
    """Where it stands in the document."""
    output: str | None
    """None where the document does not say."""


class Ran(NamedTuple):
    snippet: Snippet
    printed: str

    @property
    def is_as_told(self) -> bool:
        return self.snippet.output is None or self.snippet.output == self.printed


def snippets(document: str) -> Iterator[Snippet]:
    for block in _BLOCK.finditer(document):
        text, output = block.groups()
        yield Snippet(text, document.count("\n", 0, block.start(1)), output)


async def run(these: Sequence[Snippet], page: str, url: str) -> list[Ran]:
    """Run them where the broker at `url` stands for the one that they name."""
    ran = []
    async with Client(url, ca="certs/ca.pem") as watching, Client(url, ca="certs/ca.pem") as queue:
        names: dict[str, Any] = {"__name__": "snippets", "queue": queue}
        for snippet in these:
            ran.append(await _run_one(snippet, page, url, names, watching))
            names["queue"] = queue
    return ran


async def _run_one(
    snippet: Snippet, page: str, url: str, names: dict[str, Any], watching: Client
) -> Ran:
    code = _compiled(snippet, page, url)
    run_it = partial(eval, code, names)
    with redirect_stdout(io.StringIO()) as printed, anyio.fail_after(PATIENCE):
        if not code.co_flags & inspect.CO_COROUTINE:
            await anyio.to_thread.run_sync(run_it)
        else:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_leave_when_quiet, watching, tasks.cancel_scope)
                await run_it()
                tasks.cancel_scope.cancel()
    return Ran(snippet, printed.getvalue().rstrip("\n"))


def _compiled(snippet: Snippet, page: str, url: str) -> CodeType:
    """Compile it as it stands on its page, so that a traceback leads there."""
    text = "\n" * snippet.line + snippet.text.replace("https://localhost:8080", url)
    code: CodeType = compile(text, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


async def _leave_when_quiet(watching: Client, scope: anyio.CancelScope) -> None:
    quiet = 0
    while quiet < _LOOKS:
        await anyio.sleep(_AGAIN)
        awaited = [topic async for topic in watching.topics() if topic.consumers]
        is_done = all(topic.ready == topic.in_flight == 0 for topic in awaited)
        quiet = quiet + 1 if awaited and is_done else 0
    scope.cancel()
