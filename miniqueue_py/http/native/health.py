"""What a supervisor asks often, and must be told whatever else goes on: no page, and no wait.

/healthz tells that the loop turns, /readyz that storage writes and the broker
does not drain.
"""

from collections.abc import Callable, Mapping

from miniqueue_py.broker.broker import Broker
from miniqueue_py.http.door import Route
from miniqueue_py.http.exchange import LOOKS, Answer, Exchange, Handler, Header, Request
from miniqueue_py.http.problems import problem
from miniqueue_py.http.query import Query

MOST_STALLED_SECONDS = 10.0
"""A disk that takes longer for one fsync is not ready. It may be again: nothing has failed."""

_OK = b"ok\n"
_NOT_READY = "the broker is not ready; its log tells why"


class Health:
    """Leads those who ask for these to their answer, and all others on."""

    def __init__(self, broker: Broker, fallback: Route, *, is_discreet: bool = False) -> None:
        self._broker = broker
        self._is_discreet = is_discreet
        """Anybody may ask, and not everybody may know what topics there are."""
        self._fallback = fallback
        longest = b"%d" % broker.limits.max_message_bytes
        self._alive = _plain(_OK, (b"miniqueue-max-message", longest))
        self._answers: Mapping[bytes, Callable[[Request], Answer]] = {
            b"/healthz": lambda _: self._alive,
            b"/readyz": self._readiness,
        }

    def route(self, exchange: Exchange) -> Handler:
        """Return who answers. Raises MiniqueueError."""
        request = exchange.request
        answer = self._answers.get(request.path)
        if answer is None or request.method == "DELETE":  # that is of a topic of this name
            return self._fallback(exchange)
        if request.query:
            Query(request.query).check_known()
        if request.method in LOOKS:
            exchange.respond(*answer(request))
        else:
            status, headers, body = problem(
                405,
                f"{request.method} is not allowed: use GET",
                accept=request.header(b"accept"),
            )
            exchange.respond(status, [*headers, (b"allow", b"DELETE, GET, HEAD")], body)
        return Handler()

    def _readiness(self, request: Request) -> Answer:
        reason = why_not_ready(self._broker)
        if reason:
            told = _NOT_READY if self._is_discreet else reason
            return problem(503, told, accept=request.header(b"accept"))
        if self._is_discreet:
            return _plain(_OK)
        damages = "".join([f"damaged: {what}\n" for what in self._broker.damages])
        return _plain(_OK + damages.encode())


def _plain(text: bytes, *more: Header) -> Answer:
    headers = ((b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text)))
    return 200, (*headers, *more), text


def why_not_ready(broker: Broker) -> str:
    """Return why the broker cannot work, or ""."""
    if broker.is_draining:
        return "the broker is draining"
    if broker.failure is not None:
        return str(broker.failure)
    if broker.stalled_seconds > MOST_STALLED_SECONDS:
        return f"the disk has not answered an fsync for {broker.stalled_seconds:.0f} s"
    return ""
