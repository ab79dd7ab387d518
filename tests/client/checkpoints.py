"""Cancelling a piece of work at its k-th suspension, for every k.

The work is driven step by step: each time it hands control back to the event
loop counts as one. At the k-th the scope around it is cancelled, so that the
cancellation is there before whatever it waits for. It works on asyncio and on
trio, since both drive a coroutine in the same way.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import anyio

MOST = 500

Work = Callable[[], Coroutine[Any, Any, object]]


class Steps:
    """Awaits a coroutine, and does something at its k-th suspension."""

    def __init__(
        self, work: Coroutine[Any, Any, object], at: int, what: Callable[[], None]
    ) -> None:
        self.count = 0
        self._work = work
        self._at = at
        self._what = what

    def __await__(self) -> Generator[Any, Any, object]:
        wanted = self._step(self._work.send, None)
        while True:
            if isinstance(wanted, _Done):
                return wanted.value
            self.count += 1
            if self.count == self._at:
                self._what()
            try:
                sent = yield wanted
            except BaseException as error:  # noqa: BLE001  it goes on into the coroutine
                wanted = self._step(self._work.throw, error)
            else:
                wanted = self._step(self._work.send, sent)

    def _step(self, step: Callable[[Any], object], value: object) -> object:
        try:
            return step(value)
        except StopIteration as end:
            return _Done(end.value)


class _Done:
    def __init__(self, value: object) -> None:
        self.value = value


async def cancel_everywhere(work: Work, check: Callable[[], Awaitable[None]]) -> int:
    """Do the work again and again, cancelled one suspension later each time.

    It ends when the work got through, and returns how often it was cancelled.
    """
    for at in range(1, MOST):
        with anyio.CancelScope() as scope:
            await Steps(work(), at, scope.cancel)
        await check()
        if not scope.cancelled_caught:
            return at - 1
    raise AssertionError(f"the work has more than {MOST} suspensions")
