"""A WebSocket of ZoldyQ's that payloads go out by."""

from collections.abc import Sequence

from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.asgi import Event
from miniqueue_py.http.dialects.zoldyq.conversation import FAILED, GOING_AWAY, Conversation, Peer
from miniqueue_py.http.dialects.zoldyq.queues import ZoldyqQueues, payload_of

SENT_TOGETHER = 64
"""Payloads between one mark and the next: a client that has answered a mark has read them."""

SENT_TOGETHER_BYTES = 1 << 17

MOST_MARKS = 4
"""Marks that wait for their answer: nothing more is taken meanwhile, since nobody knows if
it would be read soon. The operating systems between us take thousands of small ones."""


class Dequeuing(Conversation):
    """Payloads are taken as many as are sent in one go, when most before those were read.

    Who closes a socket loses what it was being sent: what was not read of
    MOST_MARKS times SENT_TOGETHER.
    """

    def __init__(self, queues: ZoldyqQueues, topic: str, peer: Peer) -> None:
        super().__init__(queues, topic, peer)
        self._marks_sent = self._marks_seen = 0
        self._behind_mark = self._bytes_behind_mark = 0
        """What was sent since the last mark."""

    @property
    def _longest_message_bytes(self) -> int:
        return 0  # what it says nobody asked for

    async def _hear(self, event: Event) -> None:
        if event["type"] != "websocket.pong":
            return
        told: bytes = event["bytes"]
        if told.isdigit() and self._marks_seen < int(told) <= self._marks_sent:
            self._marks_seen = int(told)
            self._bell.set()

    async def _serve(self) -> tuple[int, str]:
        with self._queues.broker.subscribe(self._topic, self._bell.set) as subscriber:
            subscriber.start(SENT_TOGETHER)
            # What is taken is acknowledged: nothing must be for one who has just left.
            while not (self._has_left() or self._is_gone or self._is_ending or subscriber.closing):
                self._bell.clear()
                if self._marks_sent - self._marks_seen < MOST_MARKS:
                    subscriber.set_credit(SENT_TOGETHER - self._behind_mark)
                    try:
                        payloads = await self._take(subscriber)
                    except MiniqueueError as error:
                        return FAILED, str(error)
                    if payloads:
                        await self._pay_out(payloads)
                        continue
                await self._bell.wait()
        return GOING_AWAY, ""

    async def _take(self, subscriber: Subscriber) -> Sequence[bytes]:
        """Take what will be sent in one go, so that nobody else can have it, for good.

        What is dealt beyond that goes back at once, and nothing is dealt until
        the next time. Raises StorageUnavailable.
        """
        if subscriber.in_flight:
            subscriber.set_credit(0)
        dealt = subscriber.take()
        if not dealt:
            return ()
        room = SENT_TOGETHER_BYTES - self._bytes_behind_mark
        taken: list[bytes] = []
        for _, delivery in dealt:
            if room <= 0:
                break
            taken.append(delivery.message.body)
            room -= len(taken[-1])
        numbers = [number for number, _ in dealt]
        subscriber.settle(Decision.ACK, "ACK", numbers[: len(taken)])
        if len(taken) < len(numbers):
            subscriber.settle(Decision.RELEASE, "RELEASE", numbers[len(taken) :])
        await self._queues.broker.settled()
        return taken

    async def _pay_out(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            await self._send_text(b'{"payload":%b}' % payload_of(body))
        self._behind_mark += len(bodies)
        self._bytes_behind_mark += sum(map(len, bodies))
        is_much = self._bytes_behind_mark >= SENT_TOGETHER_BYTES
        if is_much or self._behind_mark >= SENT_TOGETHER:
            self._marks_sent += 1
            await self._send({"type": "websocket.ping", "bytes": b"%d" % self._marks_sent})
            self._behind_mark = self._bytes_behind_mark = 0
