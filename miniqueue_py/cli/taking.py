"""Printing messages and acknowledging them, in this order.

A message is acknowledged when it was written to stdout, in whole, and taken if that is a
pipe. What has come
and was not written when the command ends is released: it waits at its old place
again, and no attempt is counted.
"""

import os
import sys
from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from miniqueue_py.cli.legible import screen_text
from miniqueue_py.cli.output import FAILED, OK, complain, note
from miniqueue_py.cli.running import Interruption
from miniqueue_py.cli.standard_output import StandardOutput
from miniqueue_py.errors import SettlementError, TopicNotFound

if TYPE_CHECKING:
    from miniqueue_py.client import Client, Delivery, Subscription

CREDIT = 2000

SILENCE_SECONDS = 0.05
"""Nothing has come for so long: is there anything?"""


async def take(queue: "Client", interruption: Interruption, options: Namespace) -> int:
    """Print messages until there are no more, or for ever; return the exit status."""
    with StandardOutput.open(sys.stdout.fileno()) as output, interruption.ends_in_order():
        taker = _Taker(queue, interruption, output, options)
        status = await taker.take()
    if taker.come_again:
        note(
            f"miniqueue: printed, and coming again: {taker.come_again}; the connection was lost, "
            "or the lease over, before they could be acknowledged"
        )
    if taker.problem is not None:
        raise taker.problem
    return status


class _Taker:
    """What has been printed, and whether to go on."""

    def __init__(
        self,
        queue: "Client",
        interruption: Interruption,
        output: StandardOutput,
        options: Namespace,
    ) -> None:
        self.printed = 0
        self.come_again = 0
        """Messages that were printed and could not be acknowledged."""
        self.problem: OSError | None = None
        """Why no more can be printed."""
        self._printing: list[Delivery] = []
        """What is being written, for as long as its reader likes: its leases are renewed."""
        self._queue = queue
        self._interruption = interruption
        self._output = output
        self._topic: str = options.topic
        self._wanted: int = options.n or sys.maxsize
        self._follows: bool = options.follow
        text = _as_shown if os.isatty(sys.stdout.fileno()) else _as_text
        self._piece = _as_line if options.json else _as_body if options.raw else text

    async def take(self) -> int:
        while True:
            credit = min(CREDIT, self._wanted - self.printed)
            async with self._queue.subscribe(self._topic, credit=credit) as deliveries:
                deliveries.elsewhere = lambda: self._printing
                await self._take_from(deliveries)
                while (delivery := deliveries.receive_nowait()) is not None:
                    await _release(delivery)
            if self._is_done:
                return OK
            # What was on its way to us is back by now.
            ready, delayed, is_paused = await self._look()
            if is_paused and ready:
                hint = f"`miniqueue resume {self._topic}` lets it go on"
                return complain(f"{self._topic} is paused, with {ready} ready; {hint}", FAILED)
            if not ready:
                if delayed:
                    note(f"miniqueue: {delayed:,} delayed, not waited for; --follow waits")
                return OK

    @property
    def _is_done(self) -> bool:
        return (
            self.printed >= self._wanted
            or self.problem is not None
            or self._interruption.signal is not None
        )

    async def _take_from(self, deliveries: "Subscription") -> None:
        """Print what comes, until there seems to be no more."""
        seems_empty = False
        while not self._is_done:
            batch = await self._receive(deliveries)
            if batch:
                seems_empty = False
                await self._print(batch, deliveries)
            elif seems_empty:
                return
            elif not self._is_done:
                ready, _, is_paused = await self._look()
                seems_empty = is_paused or not ready

    async def _receive(self, deliveries: "Subscription") -> list["Delivery"]:
        """Wait for messages; for none for long, unless we follow, nor after a signal."""
        most = min(CREDIT, self._wanted - self.printed)
        with (
            self._interruption.stops(),
            anyio.move_on_after(float("inf") if self._follows else SILENCE_SECONDS),
        ):
            # One that is lost already comes again, and is printed then.
            return [each for each in await deliveries.receive_many(most) if not each.is_lost]
        return []

    async def _print(self, batch: list["Delivery"], deliveries: "Subscription") -> None:
        """Print and acknowledge what can be, and give the rest back."""
        self._printing = batch
        try:
            with self._interruption.stops():
                pieces = [self._piece(each) for each in batch]
                await self._output.write(pieces, self._is_last)
        except OSError as error:
            self.problem = error
        self._printing = []
        printed = batch[: self._output.whole]
        self.printed += len(printed)
        try:
            await deliveries.ack_many(printed)
        except SettlementError:
            self.come_again += sum(not each.is_settled for each in printed)
        for each in batch[self._output.whole :]:
            await _release(each)

    async def _is_last(self) -> bool:
        """Tell if nothing comes behind what is being printed."""
        if self.printed + len(self._printing) >= self._wanted:
            return True
        if self._follows:
            return False
        ready, _, is_paused = await self._look()
        return is_paused or not ready

    async def _look(self) -> tuple[int, int, bool]:
        """Return how many messages wait and are delayed, and whether the topic is paused."""
        try:
            topic = await self._queue.topic(self._topic)
        except TopicNotFound:
            if self.printed:
                return 0, 0, False
            raise
        return topic.ready, topic.delayed, topic.paused


async def _release(delivery: "Delivery") -> None:
    with suppress(SettlementError):  # then it is back in its topic already
        await delivery.release()


def _as_text(delivery: "Delivery") -> bytes:
    return delivery.body + b"\n"


def _as_shown(delivery: "Delivery") -> bytes:
    return screen_text(delivery.body) + b"\n"


def _as_body(delivery: "Delivery") -> bytes:
    return delivery.body


def _as_line(delivery: "Delivery") -> bytes:
    return delivery.line
