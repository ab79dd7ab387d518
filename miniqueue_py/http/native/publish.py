"""One message in, and the number that it got out: the hottest path there is.

So there is nothing in it that another publish could share: headers are made
once, and only what a request asks for is looked at.
"""

from collections.abc import Callable, Iterable
from functools import partial

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.errors import MiniqueueError, ShuttingDown
from miniqueue_py.http.exchange import Answer, Exchange, Request, WholeBody
from miniqueue_py.http.native.terms import IDEMPOTENCY_KEY, NO_TERMS, key_of, terms_of
from miniqueue_py.http.native.uploads import Uploads

_EMPTY = (b"content-length", b"0")
_DUPLICATE = (b"miniqueue-duplicate", b"true")

_publication: Callable[[Iterable[object]], Publication] = partial(tuple.__new__, Publication)
"""A NamedTuple's own way is a call more."""


class Publish(WholeBody):
    """One request that publishes one message.

    Raises BadParameter and MessageTooLong when it is made.
    """

    def __init__(self, exchange: Exchange, broker: Broker, topic: str, uploads: Uploads) -> None:
        super().__init__(exchange, broker.limits.max_message_bytes)
        request = exchange.request
        self._terms = terms_of(request) if request.query else NO_TERMS
        self._key = key_of(request) if IDEMPOTENCY_KEY in request.first else None
        self.check_declared()
        self._broker = broker
        self._topic = topic
        self._uploads = uploads
        uploads.add(self)

    def abandon(self) -> None:
        """Answer before the message is whole, because the broker drains."""
        self.exchange.fail(ShuttingDown())

    def on_whole(self, body: bytes) -> None:
        self._uploads.discard(self)
        publication = _publication(((body,), *self._terms, self._key))
        self._broker.publish_one(self._topic, publication, self._on_done)

    def on_gone(self) -> None:
        self._uploads.discard(self)

    def refusal(self, request: Request, error: MiniqueueError) -> Answer:
        if self in self._uploads:  # what comes later the broker refuses, and tells itself
            self._uploads.discard(self)
            self._broker.reports.refused(self._topic, error)
        return super().refusal(request, error)

    def _on_done(self, answer: Stored | Exception) -> None:
        if not isinstance(answer, Stored):
            self.exchange.fail(answer)
            return
        number = (b"miniqueue-message-id", b"%d-%d" % answer.id)
        if answer.is_duplicate:
            self.exchange.respond(200, (_EMPTY, number, _DUPLICATE))
        else:
            self.exchange.respond(201, (_EMPTY, number))
