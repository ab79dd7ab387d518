"""Functions that handle messages, and a program around them.

worker = Worker("https://localhost:8080", ca="certs/ca.pem")

@worker.handles("emails", concurrency=8)
async def send(email: dict) -> None: ...

worker.run()
"""

import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio

from miniqueue_py.client.backoff import Backoff
from miniqueue_py.client.client import SILENCE_SECONDS, Client
from miniqueue_py.client.errors import BadHandler, Misuse
from miniqueue_py.client.http2.requests import HOPELESS
from miniqueue_py.client.token import TokenLike
from miniqueue_py.client.worker.closing import Closing
from miniqueue_py.client.worker.handlers import Callee, Function, Handler
from miniqueue_py.client.worker.intake import Intake
from miniqueue_py.client.worker.outcomes import Delays
from miniqueue_py.client.worker.retries import Retries
from miniqueue_py.client.worker.task_handlers import LEASE_SECONDS, TOPIC, Functions, TaskFunctions
from miniqueue_py.errors import MiniqueueError, Unavailable
from miniqueue_py.signals import ending_signals

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

log = logging.getLogger("miniqueue.worker")


class Worker:
    """Hands the messages of topics to functions, and settles them by how these end.

    One that returns acknowledges its message. `raise Retry(after=60)` sets it
    aside, `raise Reject("why")` makes it a dead letter, and any other exception
    is logged and sets it aside for `backoff_seconds`, longer each time by
    `backoff_factor` up to `longest_backoff_seconds`, and each wait shortened at
    random by up to a half. With `retry_by_policy` it is the backoff of the topic's
    policy that says how long, if it has one. What connects is as for Client.

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
        token: TokenLike | None = None,
        timeout_seconds: float = 30.0,
        silence_seconds: float = SILENCE_SECONDS,
        backoff_seconds: float = 1.0,
        backoff_factor: float = 2.0,
        longest_backoff_seconds: float = 900.0,
        retry_by_policy: bool = False,
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
        self._retry_by_policy = retry_by_policy
        self._handlers: dict[str, Handler] = {}
        self._closing: Closing | None = None
        self._is_stopped = False

    def __repr__(self) -> str:
        state = "idle" if self._closing is None else "at work"
        return f"<Worker for {', '.join(self._handlers) or 'nothing'} at {self.url}, {state}>"

    def handles(
        self, topic: str, *, concurrency: int = 1, lease: float | None = None
    ) -> Callable[[Decorated], Decorated]:
        """Decorate the function that handles a topic, at most `concurrency` messages at a time.

        A plain `def` runs in threads, as many as that. With a `lease` the broker
        hands a message to another worker when it hears nothing of this one for so
        many seconds; it is renewed for as long as the function runs. The function
        stays as it is. Raises BadHandler.
        """

        def decorate(function: Decorated) -> Decorated:
            self._add(topic, Function(function), concurrency, lease)
            return function

        return decorate

    def handles_tasks(
        self,
        functions: Functions,
        *,
        topic: str = TOPIC,
        concurrency: int = 1,
        lease: float | None = LEASE_SECONDS,
    ) -> None:
        """Have the tasks of `POST /task` done: by a function for each type, or one for all.

        They are called with the payload as their annotations say, or with a `Task`.
        One of a type that is not there is a dead letter. Raises BadHandler.
        """
        self._add(topic, TaskFunctions(functions), concurrency, lease)

    def run(self, backend: Literal["asyncio", "trio"] = "asyncio") -> Sequence[signal.Signals]:
        """Handle messages until SIGTERM, SIGINT or SIGHUP, and return those.

        Raises what `serve` raises.

        The first signal drains: nothing new is taken, and running handlers may
        finish, for `drain_seconds`. Then, or with a second signal, they are cancelled,
        and their messages given back.

        A thread cannot be cancelled. One that runs on then is abandoned and its
        message given back, so another worker may begin with it meanwhile. On asyncio
        the process ends when the thread does; another signal ends it at once.
        """
        return anyio.run(self._run, backend=backend)

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

    def _add(self, topic: str, callee: Callee, concurrency: int, lease: float | None) -> None:
        if topic in self._handlers:
            raise BadHandler(
                f"{topic!r} is handled by {self._handlers[topic].name} already: "
                "have one function for each topic"
            )
        self._handlers[topic] = Handler(topic, callee, concurrency=concurrency, lease=lease)

    async def _run(self) -> Sequence[signal.Signals]:
        if threading.current_thread() is not threading.main_thread():
            await self.serve()  # signals come to the main thread alone
            return ()
        heeded: list[signal.Signals] = []
        with anyio.open_signal_receiver(*ending_signals()) as signals:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._heed, signals, heeded)
                problem: Exception | None = None
                try:
                    await self.serve()
                except Exception as error:  # noqa: BLE001  raised below, outside of the group
                    problem = error
                tasks.cancel_scope.cancel()
        if problem is not None:
            raise problem
        return heeded

    async def _heed(
        self, signals: AsyncIterator[signal.Signals], heeded: list[signal.Signals]
    ) -> None:
        async for number in signals:
            if number.name == "SIGHUP" and heeded:
                continue  # a terminal that closes says so twice
            heeded.append(number)
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
        retries = Retries(self._delays, queue.topic if self._retry_by_policy else None)
        with closing.working() as work:
            async with anyio.create_task_group() as tasks:
                for handler in self._handlers.values():
                    tasks.start_soon(Intake(handler, retries, closing).run, queue)
        if work.cancelled_caught:
            log.warning("handlers were cancelled, and what they held was given back")
