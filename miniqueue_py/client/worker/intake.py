"""One topic of a worker: deliveries come in, and each is handled and settled.

The credit is the concurrency, so nothing waits here that another worker could
do, and all that is held is being handled. The stream is read all the time: what
the broker says of a lease is known when its handler is done.
"""

import logging
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from miniqueue_py.client.backoff import Backoff
from miniqueue_py.client.client import Client
from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.errors import CertificateRefused, Misuse, TokenRefused
from miniqueue_py.client.subscription import Subscription
from miniqueue_py.client.worker.closing import Closing
from miniqueue_py.client.worker.handlers import Handler
from miniqueue_py.client.worker.holding import Holding
from miniqueue_py.client.worker.retries import Retries
from miniqueue_py.client.worker.settling import settle
from miniqueue_py.errors import BadRequest, MiniqueueError

HOPELESS = (BadRequest, CertificateRefused, Misuse, TokenRefused)
"""What time does not mend. A stranger at the broker's address may be gone again."""

log = logging.getLogger("miniqueue.worker")


class Intake:
    """Of one handler, for one run of the worker."""

    def __init__(self, handler: Handler, retries: Retries, closing: Closing) -> None:
        self._handler = handler
        self._retries = retries
        self._closing = closing
        self._threads = anyio.CapacityLimiter(handler.concurrency)
        self._holding = Holding()

    def __repr__(self) -> str:
        return f"<Intake of {self._handler.topic!r}, {len(self._holding)} held>"

    async def run(self, queue: Client) -> None:
        """Take and handle until closing; be subscribed again as often as that may help."""
        backoff = Backoff()
        while not self._closing.is_begun:
            try:
                await self._work(queue)
            except HOPELESS as error:
                self._closing.begin(error)
            except MiniqueueError as error:
                seconds = backoff.next_seconds()
                log.warning(
                    "subscription to %r ended (%s); trying again in %.2g s",
                    self._handler.topic,
                    error,
                    seconds,
                )
                with self._closing.taking():
                    await anyio.sleep(seconds)

    async def _work(self, queue: Client) -> None:
        handler = self._handler
        subscription = queue.subscribe(
            handler.topic, credit=handler.concurrency, lease=handler.lease
        )
        with self._closing.taking() as opening:
            async with subscription as deliveries:
                self._closing.spare(opening)
                log.info("subscribed to %r for %s", handler.topic, handler.name)
                try:
                    await self._keep_and_handle(deliveries)
                finally:
                    await self._give_back(deliveries)

    async def _keep_and_handle(self, deliveries: Subscription) -> None:
        async with anyio.create_task_group() as keeping:
            if deliveries.lease is not None:
                keeping.start_soon(self._holding.keep, deliveries.lease)
            problem = await self._handle_all(deliveries, keeping)
            keeping.cancel_scope.cancel()
        if problem is not None:
            raise problem

    async def _handle_all(
        self, deliveries: Subscription, beside: TaskGroup
    ) -> MiniqueueError | None:
        """Handle what comes until closing, and be done with it. Return why no more can come."""
        async with anyio.create_task_group() as handling:
            try:
                with self._closing.taking():
                    await self._take(deliveries, handling)
            except MiniqueueError as error:
                # The stream ends with it, and what is held is lost.
                handling.cancel_scope.cancel()
                return error
            deliveries.pause()
            beside.start_soon(_release_late, deliveries)
        return None

    async def _take(self, deliveries: Subscription, handling: TaskGroup) -> None:
        room = anyio.Semaphore(self._handler.concurrency)
        while True:
            delivery = await deliveries.receive()
            self._holding.add(delivery)
            # There is room for what the credit allows, unless a lost delivery is being handled on.
            await room.acquire()
            handling.start_soon(self._handle, delivery, room)

    async def _handle(self, delivery: Delivery, room: anyio.Semaphore) -> None:
        try:
            if not (delivery.is_lost or delivery.is_expired):
                attempt = await self._handler.attempt(delivery, self._threads)
                await settle(delivery, attempt, self._retries)
        finally:
            room.release()
        # Who was cancelled holds it still: it is given back, when all have ended.
        self._holding.discard(delivery)

    async def _give_back(self, deliveries: Subscription) -> None:
        """Give back what was not handled to its end, and what nobody took any more."""
        with suppress(MiniqueueError):
            deliveries.pause()  # or what is given back would come again
            while (delivery := deliveries.receive_nowait()) is not None:
                self._holding.add(delivery)
        given = await self._holding.give_back()
        if given:
            log.info("gave back what was held of %r: %d", self._handler.topic, given)


async def _release_late(deliveries: Subscription) -> None:
    """Give back what was on its way when closing began, until cancelled."""
    with suppress(MiniqueueError):
        while True:
            await (await deliveries.receive()).release()
