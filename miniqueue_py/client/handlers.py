"""A function that handles the messages of a topic, and one call of it."""

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread

from miniqueue_py.client.arguments import Arguments
from miniqueue_py.client.client import LONGEST_LEASE, MOST_CREDIT, SHORTEST_LEASE
from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.errors import BadHandler


class Handler:
    """What stands in a decorator, and under it. Raises BadHandler."""

    def __init__(
        self, topic: str, function: Callable[..., Any], *, concurrency: int, lease: float | None
    ) -> None:
        if not 1 <= concurrency <= MOST_CREDIT:
            raise BadHandler(f"concurrency is {concurrency}, not 1 to {MOST_CREDIT}")
        if lease is not None and not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
            raise BadHandler(f"lease is {lease} s, not {SHORTEST_LEASE:g} to {LONGEST_LEASE:g}")
        self.topic = topic
        self.concurrency = concurrency
        self.lease = lease
        self._function = function
        self._arguments = Arguments(function)
        self._is_async = inspect.iscoroutinefunction(function)

    def __repr__(self) -> str:
        return f"<Handler {self.name} of {self.topic!r}>"

    @property
    def name(self) -> str:
        return self._function.__qualname__

    async def attempt(self, delivery: Delivery, threads: CapacityLimiter) -> BaseException | None:
        """Handle a delivery, and return what was raised.

        Whatever that is, it ends no worker. Only being cancelled comes out of here:
        when it was us who were, and not something that the function waited for.
        """
        try:
            await self._call(self._arguments.of(delivery), threads)
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
