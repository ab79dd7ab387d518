"""The Quart applications, imported when streams are already served.

Importing Quart takes longer than everything else at start-up, and a broker
that restarts has messages to deliver.
"""

import asyncio
from collections.abc import Callable, Mapping

from miniqueue_py.http.asgi import App, Headers, Receive, Scope, Send, respond
from miniqueue_py.http.exchange import LOOKS

_NOWHERE = b"/-/-/-/-"
"""No application has a page there, and each says so in its own way."""

_UNSEEN = {b"cookie", b"host"}


class Pages:
    """Applications by where they are mounted; the one at "" has all other paths.

    They are made when they are first needed, all at once.
    """

    def __init__(self, create: Callable[[], Mapping[str, App]]) -> None:
        self._create = create
        self._apps: Mapping[bytes, App] = {}
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Make them, if that has not been done. Idempotent."""
        async with self._loading:
            if not self._apps:
                apps = await asyncio.to_thread(self._create)
                self._apps = {name.encode(): app for name, app in apps.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request at the path where its application is mounted."""
        path: bytes = scope["raw_path"] or b""
        if not self._apps:
            await self.load()
        name, slash, rest = path[1:].partition(b"/")
        app = self._apps.get(name) if name else None
        if app is not None and slash:
            await ask_page(app, scope, slash + rest, receive, send)
        elif app is not None and scope["method"] in LOOKS:
            await respond(send, 308, _to_folder(scope, name))
        else:  # DELETE /NAME deletes the topic
            await ask_page(self._apps[b""], scope, path, receive, send)

    def at_root(self, name: str) -> App:
        """Return the application of that name, for a port where it has every path."""

        async def ask(scope: Scope, receive: Receive, send: Send) -> None:
            await self.load()
            await ask_page(
                self._apps[name.encode()], scope, scope["raw_path"] or b"", receive, send
            )

        return ask


async def ask_page(app: App, scope: Scope, path: bytes, receive: Receive, send: Send) -> None:
    """Hand a request to Quart as it is to see it.

    Its path is raw, because a %2F in a topic's name is a bad name and not
    another page. What no page of ours looks at and Quart stumbles over is
    left out: a Host that is no name raises before Quart has a request.
    """
    if not path.startswith(b"/") or path.startswith(b"//"):
        path = _NOWHERE  # Quart would take it for an address
    headers = [(name, value) for name, value in scope["headers"] if name not in _UNSEEN]
    seen = {**scope, "path": path.decode("latin-1"), "raw_path": path, "headers": headers}
    await app(seen, receive, send)


def _to_folder(scope: Scope, name: bytes) -> Headers:
    """Say where the application is: its pages name each other relative to there."""
    query: bytes = scope["query_string"]
    target = name + b"/" + (b"?" + query if query else b"")
    return [(b"location", target), (b"content-length", b"0")]
