"""A function that handles messages, what stands in its decorator, and one call of it."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import anyio
from anyio import CapacityLimiter, to_thread

from miniqueue_py.client.client import LONGEST_LEASE, MOST_CREDIT, SHORTEST_LEASE
from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.errors import BadHandler
from miniqueue_py.client.worker.arguments import BODIES, Arguments, Readable
from miniqueue_py.client.worker.task import Task


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery, and what came of handling it."""

    name: str
    """Of the message, for a log."""
    seconds: float
    raised: BaseException | None
    task: Task | None = None
    """What the message was, if it was one."""


class Callee(Protocol):
    """What is called with each message of a topic."""

    @property
    def name(self) -> str: ...

    async def attempt(self, delivery: Delivery, threads: CapacityLimiter) -> Attempt:
        """Handle a delivery. Only being cancelled comes out of here."""
        ...


class Handler:
    """What stands in a decorator, and what is under it. Raises BadHandler."""

    def __init__(
        self, topic: str, callee: Callee, *, concurrency: int, lease: float | None
    ) -> None:
        if not 1 <= concurrency <= MOST_CREDIT:
            raise BadHandler(f"concurrency is {concurrency}, not 1 to {MOST_CREDIT}")
        if lease is not None and not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
            raise BadHandler(f"lease is {lease} s, not {SHORTEST_LEASE:g} to {LONGEST_LEASE:g}")
        self.topic = topic
        self.concurrency = concurrency
        self.lease = lease
        self.name = callee.name
        self.attempt = callee.attempt

    def __repr__(self) -> str:
        return f"<Handler {self.name} of {self.topic!r}>"


class Function:
    """Other people's code. Raises BadHandler for what cannot be called with messages."""

    def __init__(self, function: Callable[..., Any], body: Readable = BODIES) -> None:
        self._function = function
        self._arguments = Arguments(function, body)
        self._is_async = inspect.iscoroutinefunction(function)

    def __repr__(self) -> str:
        return f"<Function {self.name}>"

    @property
    def name(self) -> str:
        return self._function.__qualname__

    async def attempt(self, delivery: Delivery, threads: CapacityLimiter) -> Attempt:
        began = anyio.current_time()
        raised = await self.raised_by(delivery, threads)
        name = f"message {delivery.message_id} of {delivery.topic!r} (attempt {delivery.attempt})"
        return Attempt(name, anyio.current_time() - began, raised)

    async def raised_by(
        self, delivery: Delivery, threads: CapacityLimiter, part: Any = None
    ) -> BaseException | None:
        """Call it with the body, or that part of it, and return what was raised.

        Whatever that is, it ends no worker. Only being cancelled comes out of here:
        when it was us who were, and not something that the function waited for.
        """
        try:
            await self._call(self._arguments.of(delivery, part), threads)
        except Exception as error:  # noqa: BLE001  other people's code: all of it is an outcome
            return error
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or _is_cancelled():
                raise
            return error
        return None

    async def _call(self, arguments: dict[str, Any], threads: CapacityLimiter) -> None:
        if self._is_async:
            await self._function(**arguments)
            return
        call = partial(_outcome_of_call, self._function, arguments)
        result, raised = await to_thread.run_sync(call, abandon_on_cancel=True, limiter=threads)
        if raised is not None:
            raise raised
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(f"{self.name} is a `def` and returned a coroutine: make it `async def`")


def _outcome_of_call(
    function: Callable[..., Any], arguments: dict[str, Any]
) -> tuple[Any, BaseException | None]:
    """Call it in a thread. Not all that may be raised there can travel to an event loop raised."""
    try:
        return function(**arguments), None
    except BaseException as error:  # noqa: BLE001  raised again, by the task
        return None, error


def _is_cancelled() -> bool:
    return anyio.current_effective_deadline() == -math.inf
