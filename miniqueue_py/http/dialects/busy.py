"""The busy requests of a dialect: handlers that are called, in front of its pages.

Its errors look like its system's, whoever answers.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MessageTooLong, MiniqueueError
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.account import Account
from miniqueue_py.http.access.native import ExchangeStream
from miniqueue_py.http.access.refusals import AccessRefused
from miniqueue_py.http.access.rights import Right
from miniqueue_py.http.claiming import Claiming
from miniqueue_py.http.door import Route
from miniqueue_py.http.exchange import Answer, Exchange, Handler, Request, WholeBody
from miniqueue_py.http.json_text import BodyTooLong
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.problems import RETRY_AFTER, WORTH_REPEATING, status_of

Explain = Callable[[int, str], Answer]
"""Makes the answer of that status, which says that, as the system would."""

NOT_ALLOWED = "method not allowed"


class Verb(Handler):
    """A request to a queue, which the path names or the dialect."""

    wait_seconds = 0.0

    @staticmethod
    def explain(status: int, text: str) -> Answer:
        """Say what went wrong as the system would."""
        raise NotImplementedError

    def begin(self) -> None:
        """Do what can be done before the body comes. Raises MiniqueueError."""

    def refusal(
        self,
        request: Request,  # noqa: ARG002  a system has one form of errors, whatever is accepted
        error: MiniqueueError,
    ) -> Answer:
        return told_of(self.explain, error)


class VerbWithBody(Verb, WholeBody):
    """One whose body is looked at."""

    def begin(self) -> None:
        self.check_declared()

    def too_long(self, limit: int) -> MessageTooLong:
        return BodyTooLong(limit)


class Put(VerbWithBody):
    """One whose body becomes a message.

    What goes wrong before the broker is asked to publish it is told of that.
    """

    broker: Broker
    topic = ""
    was_asked = False

    def refusal(self, request: Request, error: MiniqueueError) -> Answer:
        if not self.was_asked:
            self.broker.reports.refused(self.topic, error)
        return super().refusal(request, error)


class Take(Claiming, Verb):
    """One that is answered with what comes out of a queue."""

    def begin(self) -> None:
        self.take()


Start = Callable[[Exchange, bytes], Verb]
"""Returns who answers; the queue is as the path names it, or nothing."""


class Way(NamedTuple):
    """How a verb is asked for: by which method, with which right."""

    method: str
    right: Right
    start: Start


class Busy:
    """The verbs of a dialect: below a queue's name in a folder, or at the root for one topic."""

    def __init__(
        self,
        explain: Explain,
        verbs: Mapping[bytes, Way],
        *,
        folder: bytes = b"",
        topic: str = "",
        access: Access | None = None,
    ) -> None:
        self._explain = explain
        self._verbs = verbs
        self._folder = folder
        self._topic = topic
        self._access = access

    def __repr__(self) -> str:
        return f"<Busy, {len(self._verbs)} verbs>"

    def before(self, pages: Route) -> Callable[[Exchange, bytes], Handler]:
        """Return who finds who answers at a path, which has no slash in front of it."""

        def find(exchange: Exchange, path: bytes) -> Handler:
            queue, _, verb = path.rpartition(b"/")
            known = self._verbs.get(verb)
            if known is None or not self._is_queue(queue):
                return pages(exchange)
            method, right, start = known
            grant = None
            if self._access is not None:
                try:
                    grant = self._grant(self._access, exchange.request, right, queue)
                except MiniqueueError as error:
                    exchange.respond(*told_of(self._explain, error))
                    return Handler()
            if exchange.request.method != method:
                status, headers, body = told(self._explain, 405, NOT_ALLOWED)
                exchange.respond(status, [*headers, (b"allow", method.encode())], body)
                return Handler()
            handler = start(exchange, queue[len(self._folder) :])
            try:
                handler.begin()
                if grant is not None and handler.wait_seconds and not exchange.is_over:
                    grant.hold(exchange, handler)
            except MiniqueueError as error:
                if grant is not None:
                    handler.on_gone()  # it may wait already
                exchange.respond(*handler.refusal(exchange.request, error))
            return handler

        return find

    def at_root(self, pages: Route) -> Route:
        """Return the same for a port where the dialect has every path."""
        find = self.before(pages)

        def route(exchange: Exchange) -> Handler:
            path = exchange.request.path
            return find(exchange, path[1:]) if path.startswith(b"/") else pages(exchange)

        return route

    def _grant(self, access: Access, request: Request, right: Right, queue: bytes) -> "_Grant":
        """Let a request go on. Raises AccessRefused and BadTopicName."""
        account = access.identify(request)
        topic = self._topic or topic_name(queue[len(self._folder) :])
        access.allow(account, request, right, topic)
        return _Grant(access, account, right, topic)

    def _is_queue(self, path: bytes) -> bool:
        start = len(self._folder)
        if not start:
            return not path
        return len(path) > start and path.startswith(self._folder) and path.find(b"/", start) < 0


class _Grant(NamedTuple):
    """What a request was allowed."""

    access: Access
    account: Account
    right: Right
    topic: str

    def hold(self, exchange: Exchange, handler: Verb) -> None:
        """Look at it again while the request waits. Raises TooManyStreams."""
        self.access.check_room(self.account, exchange.request)
        self.account.hold(ExchangeStream(exchange, handler), self.right, self.topic)


def told_of(explain: Explain, error: MiniqueueError) -> Answer:
    """Return what tells of an error, with the fields by which clients of HTTP know it."""
    answer = told(explain, status_of(error), str(error))
    if not isinstance(error, AccessRefused):
        return answer
    status, headers, body = answer
    return status, [*headers, *error.fields], body


def told(explain: Explain, status: int, text: str) -> Answer:
    """Return what says that, with what no system says and every client may use."""
    _, headers, body = answer = explain(status, text)
    return (status, [*headers, RETRY_AFTER], body) if status in WORTH_REPEATING else answer
