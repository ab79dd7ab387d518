"""Functions that handle messages, and a program around them.

worker = Worker("https://localhost:8080", ca="certs/ca.pem")

@worker.handles("emails", concurrency=8)
async def send(email: dict) -> None: ...

worker.run()
"""

import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio

from miniqueue_py.client.backoff import Backoff
from miniqueue_py.client.client import SILENCE_SECONDS, Client
from miniqueue_py.client.closing import Closing
from miniqueue_py.client.errors import BadHandler, Misuse
from miniqueue_py.client.handlers import Handler
from miniqueue_py.client.intake import Intake
from miniqueue_py.client.outcomes import Delays
from miniqueue_py.client.requests import HOPELESS
from miniqueue_py.errors import MiniqueueError, Unavailable

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Function = TypeVar("Function", bound=Callable[..., Any])

log = logging.getLogger("miniqueue.worker")


class Worker:
    """Hands the messages of topics to functions, and settles them by how these end.

    One that returns acknowledges its message. `raise Retry(after=60)` sets it
    aside, `raise Reject("why")` makes it a dead letter, and any other exception
    is logged and sets it aside for `backoff_seconds`, longer each time by
    `backoff_factor` up to `longest_backoff_seconds`, and each wait shortened at
    random by up to a half. What connects is as for Client.

    Nothing is connected, and no file is read, before it runs.
    """

    def __init__(  # noqa: PLR0913  each has a default, and is named by the caller
        self,
        url: str = "https://localhost:8080",
        *,
        ca: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        pin: str | Path | None = None,
        token: str | None = None,
        timeout_seconds: float = 30.0,
        silence_seconds: float = SILENCE_SECONDS,
        backoff_seconds: float = 1.0,
        backoff_factor: float = 2.0,
        longest_backoff_seconds: float = 900.0,
        drain_seconds: float = 30.0,
    ) -> None:
        self.url = url
        self.drain_seconds = drain_seconds
        self._make_client = partial(
            Client,
            url,
            ca=ca,
            certificate=certificate,
            key=key,
            pin=pin,
            token=token,
            timeout_seconds=timeout_seconds,
            silence_seconds=silence_seconds,
        )
        self._delays = Delays(backoff_seconds, backoff_factor, longest_backoff_seconds)
        self._handlers: dict[str, Handler] = {}
        self._closing: Closing | None = None
        self._is_stopped = False

    def __repr__(self) -> str:
        state = "idle" if self._closing is None else "at work"
        return f"<Worker for {', '.join(self._handlers) or 'nothing'} at {self.url}, {state}>"

    def handles(
        self, topic: str, *, concurrency: int = 1, lease: float | None = None
    ) -> Callable[[Function], Function]:
        """Decorate the function that handles a topic, at most `concurrency` messages at a time.

        A plain `def` runs in threads, as many as that. With a `lease` the broker
        hands a message to another worker when it hears nothing of this one for so
        many seconds; it is renewed for as long as the function runs. The function
        stays as it is. Raises BadHandler.
        """

        def decorate(function: Function) -> Function:
            if topic in self._handlers:
                raise BadHandler(
                    f"{topic!r} is handled by {self._handlers[topic].name} already: "
                    "have one function for each topic"
                )
            self._handlers[topic] = Handler(topic, function, concurrency=concurrency, lease=lease)
            return function

        return decorate

    def run(self, backend: Literal["asyncio", "trio"] = "asyncio") -> None:
        """Handle messages until SIGTERM or SIGINT, and raise what `serve` raises.

        The first signal drains: nothing new is taken, and running handlers may
        finish, for `drain_seconds`. Then, or with a second signal, they are cancelled,
        and their messages given back.

        A thread cannot be cancelled. One that runs on then is abandoned and its
        message given back, so another worker may begin with it meanwhile. On asyncio
        the process ends when the thread does; another signal ends it at once.
        """
        anyio.run(self._run, backend=backend)

    async def serve(self) -> None:
        """Handle messages in a loop of one's own, until `stop`, which drains.

        To be cancelled ends it at once: handlers are cancelled with it, and their
        messages given back. A broker that is not there is waited for. Raises what
        waiting does not mend: BadRequest, CertificateRefused, TokenRefused, and so on.
        """
        if not self._handlers:
            raise Misuse("this worker handles nothing: decorate functions with @worker.handles")
        if self._closing is not None:
            raise Misuse("this worker serves already")
        self._closing = closing = Closing(self.drain_seconds)
        try:
            if self._is_stopped:
                closing.begin()
            await self._serve(closing)
        finally:
            self._closing = None
            self._is_stopped = False
        if closing.problem is not None:
            raise closing.problem

    def stop(self) -> None:
        """Drain, and let `serve` return. From a thread: `anyio.from_thread.run_sync(worker.stop)`.

        If it does not serve yet, it returns as soon as it does.
        """
        if self._closing is None:
            self._is_stopped = True
        else:
            self._closing.begin()

    async def _run(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            await self.serve()  # signals come to the main thread alone
            return
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._heed, signals)
                problem: Exception | None = None
                try:
                    await self.serve()
                except Exception as error:  # noqa: BLE001  raised below, outside of the group
                    problem = error
                tasks.cancel_scope.cancel()
        if problem is not None:
            raise problem

    async def _heed(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for number in signals:
            closing = self._closing
            if closing is None or not closing.is_begun:
                log.info("got %s: draining, for %g s at most", number.name, self.drain_seconds)
                self.stop()
            else:
                log.warning("got %s again: ending at once", number.name)
                closing.end_now()

    async def _serve(self, closing: Closing) -> None:
        """Be connected until closing, and wait for a broker that is not there yet."""
        backoff = Backoff()
        while not closing.is_begun:
            try:
                with closing.taking() as connecting:
                    async with self._make_client() as queue:
                        closing.spare(connecting)
                        await self._work(queue, closing)
            except MiniqueueError as error:
                if not isinstance(error, Unavailable) or isinstance(error, HOPELESS):
                    closing.begin(error)
                    return
                seconds = backoff.next_seconds()
                log.warning("%s; trying again in %.2g s", error, seconds)
                with closing.taking():
                    await anyio.sleep(seconds)

    async def _work(self, queue: Client, closing: Closing) -> None:
        with closing.working() as work:
            async with anyio.create_task_group() as tasks:
                for handler in self._handlers.values():
                    tasks.start_soon(Intake(handler, self._delays, closing).run, queue)
        if work.cancelled_caught:
            log.warning("handlers were cancelled, and what they held was given back")
