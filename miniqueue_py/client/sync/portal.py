"""An event loop in a thread of its own, with a client in it, and the way in for other threads.

Whoever waits for the loop can be interrupted, by Ctrl-C above all: what runs
there for them is cancelled then. So that nothing gets lost on the way back, it
leaves what it took where the next caller finds it.

The portal of anyio runs the thread. What is called often goes past it, by the
loop itself: a call by the portal waits for the loop twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, suppress
from os import getpid
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskStatus
from anyio.from_thread import start_blocking_portal

from miniqueue_py.client.client import Client
from miniqueue_py.client.errors import ClientClosed, Misuse
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.event_loop import has_uvloop

LOOK_SECONDS = 0.5
"""So often a wait looks up: a Ctrl-C of the moment when it begins would not end it."""

T = TypeVar("T")


class Portal:
    """Runs a client, from the moment it is made until it is closed."""

    def __init__(self, client: Client) -> None:
        self.forgotten: set[Callable[[], Awaitable[None]]] = set()
        """What leaves a block that is open still, for when the client is closed around it."""
        self._client = client
        self._process = getpid()
        self._waiting: set[Future[Any]] = set()
        self._has_ended = False
        self._thread = ExitStack()
        self._portal = self._thread.enter_context(
            start_blocking_portal(backend_options={"use_uvloop": has_uvloop()}, name="SyncClient")
        )
        with ExitStack() as unless_open:
            unless_open.callback(self._end)
            self._loop: asyncio.AbstractEventLoop
            self._running: Future[None]
            self._running, (self._loop, self._stop) = self._portal.start_task(self._run)
            unless_open.pop_all()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it in the loop, and wait for it. When the wait ends early, so does what runs."""
        future = self._start(coroutine)
        self._waiting.add(future)
        try:
            if self._has_ended:
                raise ClientClosed("client")
            while not future.done():
                with suppress(TimeoutError):
                    future.exception(LOOK_SECONDS)
            return future.result()
        except CancelledError:
            raise ClientClosed("client") from None
        finally:
            future.cancel()  # does nothing to what has ended
            self._waiting.discard(future)
            del future  # its exception would know this frame, and the frame it

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        """Run it in the loop, and do not wait for it."""
        return self._start(coroutine)

    def close(self) -> None:
        """Close the client, and end the thread. Calls under way raise ClientClosed."""
        if getpid() != self._process:
            return  # it stayed behind, where the process was forked
        try:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._running.result()
        finally:
            self._end()

    def _end(self) -> None:
        """End whatever is left in the loop, so that nobody waits for it, and the thread."""
        with self._thread, suppress(RuntimeError):  # it has ended
            self._portal.call(self._portal.stop, True)
        self._has_ended = True
        for future in list(self._waiting):
            future.cancel()  # the loop ended before it had heard of it

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        with ExitStack() as unless_started:
            unless_started.callback(coroutine.close)
            self.check_process()
            try:
                future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            except RuntimeError as error:  # the loop has ended
                raise ClientClosed("client") from error
            unless_started.pop_all()
        return future

    def check_process(self) -> None:
        """Raise Misuse in a process that was forked since."""
        if getpid() != self._process:
            raise Misuse(
                "this client was opened before the process was forked, and its connection "
                "stayed behind: open one in each process"
            )

    async def _run(
        self, *, task_status: TaskStatus[tuple[asyncio.AbstractEventLoop, anyio.Event]]
    ) -> None:
        stop = anyio.Event()
        async with self._client:
            task_status.started((asyncio.get_running_loop(), stop))
            await stop.wait()
            for leave in list(self.forgotten):
                with suppress(MiniqueueError):  # there is nobody to tell
                    await leave()
