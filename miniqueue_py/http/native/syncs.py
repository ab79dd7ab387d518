"""SYNC: when all that was said on a stream is durable, its client is told so."""

import asyncio
from collections.abc import Callable
from functools import partial

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError, StorageUnavailable
from miniqueue_py.http.problems import FAILED
from miniqueue_py.protocol.codes import line_of
from miniqueue_py.protocol.lines import synced_line

MOST_WAITING = 100
"""With so many unanswered, a stream carries out no further command."""


class Syncs:
    """Those of one stream; `on_answer` is called when `take` has something, unless it stopped."""

    def __init__(self, broker: Broker, on_answer: Callable[[], None]) -> None:
        self._broker = broker
        self._on_answer = on_answer
        self._waiting = 0
        self._answers: list[bytes] = []

    @property
    def is_waiting(self) -> bool:
        """True while an answer is to come, or was not taken."""
        return self._waiting > 0 or bool(self._answers)

    @property
    def is_full(self) -> bool:
        return self._waiting >= MOST_WAITING

    def begin(self, number: int) -> None:
        try:
            durable = self._broker.settled()
        except StorageUnavailable as error:
            self._refuse(error)
            self._on_answer()
            return
        self._waiting += 1
        durable.add_done_callback(partial(self._answer, number))

    def take(self) -> list[bytes]:
        """Return the lines that were not taken yet."""
        answers, self._answers = self._answers, []
        return answers

    def stop(self) -> None:
        """Answer no more."""
        self._on_answer = _nobody_listens

    def _answer(self, number: int, durable: "asyncio.Future[None]") -> None:
        self._waiting -= 1
        error = durable.exception()
        if error is None:
            self._answers.append(synced_line(number))
        else:
            self._refuse(error)
        self._on_answer()

    def _refuse(self, error: BaseException) -> None:
        known = error if isinstance(error, MiniqueueError) else MiniqueueError(FAILED)
        self._answers.append(line_of(known))


def _nobody_listens() -> None:
    pass
