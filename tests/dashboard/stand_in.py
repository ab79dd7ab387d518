"""The page behind a real server in this process, with figures that a test chooses."""

import asyncio
import copy
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response

from miniqueue_py.http.dashboard import dashboard

SECONDS = 60
SERIES = ("queued", "completed", "failed")

NOTHING: dict[str, Any] = {
    "pending": 0,
    "processing": 0,
    "retrying": 0,
    "dead_letter": 0,
    "dead_letter_topic": "tasks.dead",
    "workers": 0,
    "oldest_pending_seconds": None,
    "paused": False,
    "rates": dict.fromkeys(SERIES, 0.0),
    "history": {name: [0] * SECONDS for name in SERIES},
    "uptime_seconds": 12.3,
}


def figures(**known: Any) -> dict[str, Any]:
    """What a broker answers: nothing there, but for what is said."""
    return copy.deepcopy(NOTHING) | known


def minute(**known: list[int]) -> dict[str, list[int]]:
    """A history whose last seconds are those given."""
    return {name: ([0] * SECONDS + known.get(name, []))[-SECONDS:] for name in SERIES}


class StandIn:
    """Answers `stats` as it is told to, goes away, and comes back on the same port."""

    def __init__(self) -> None:
        self.stats: dict[str, Any] | bytes = figures()
        self.status = 200
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self._asked = asyncio.Condition()
        self._port = 0
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    async def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.graceful_timeout = 0.1
        config.errorlog = None
        self._stop = asyncio.Event()
        stop: Callable[..., Any] = self._stop.wait
        self._serving = asyncio.create_task(serve(self._app(), config, shutdown_trigger=stop))

    async def go_away(self) -> None:
        """End the server and every connection; fine if it has gone."""
        serving, self._serving = self._serving, None
        self._stop.set()
        if serving is not None:
            await asyncio.wait_for(serving, 10)

    async def wait_asked(self, times: int = 1, wait_seconds: float = 15) -> None:
        """Return when `stats` was asked for so many times more, and answered."""
        enough = self.asked + times
        async with asyncio.timeout(wait_seconds), self._asked:
            await self._asked.wait_for(lambda: self.asked >= enough)

    def _app(self) -> Quart:
        app = Quart("stand_in", static_folder=None)
        app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
        app.register_blueprint(dashboard())

        @app.get("/stats")
        async def stats() -> Response:
            await self.answers.wait()
            body = self.stats if isinstance(self.stats, bytes) else json.dumps(self.stats)
            async with self._asked:
                self.asked += 1
                self._asked.notify_all()
            return Response(body, self.status, content_type="application/json")

        return app

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        stand_in = cls()
        await stand_in.start()
        try:
            yield stand_in
        finally:
            stand_in.answers.set()
            await stand_in.go_away()
