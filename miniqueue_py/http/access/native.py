"""What stands in front of the hot paths where rights are needed; without tokens nothing does."""

from collections.abc import Callable, Mapping

from miniqueue_py.http.access.access import AUTHORIZATION, Access
from miniqueue_py.http.access.rights import CONSUME, PUBLISH, Right
from miniqueue_py.http.exchange import Exchange, Handler

Below = Callable[[Exchange, bytes], Handler]

_RIGHTS: Mapping[bytes, Right] = {
    b"publish": PUBLISH,
    b"subscribe": CONSUME,
    b"receive": CONSUME,
    b"settle": CONSUME,
}
"""Of all that there is below a folder. A folder that is not here does not start."""

_LASTING: Mapping[bytes, bytes] = {
    b"publish": b"/batch",
    b"subscribe": b"",
    b"receive": b"wait",
    b"settle": b"\n",
}
"""What stands in the rest of the path, or behind the `?`, of requests that may last: a batch, each
subscription, a request that waits, no settlement."""

_SHORT = {b"publish", b"settle"}
"""Whose requests last, or do not, by their path alone."""

_MOST_GRANTS = 10_000


def guarded(
    access: Access, folder: bytes, below: Below, topic_name: Callable[[bytes], str]
) -> Below:
    """Return who answers below a folder those alone who may."""
    right = _RIGHTS[folder]
    may_last = _LASTING[folder]
    grants, now = access.new_grants(), access.now

    def find(exchange: Exchange, rest: bytes) -> Handler:
        request = exchange.request
        asked = (request.first.get(AUTHORIZATION, b""), request.certificate, rest)
        known = grants.get(asked)
        if known is not None and known.bucket is None and now() < known.ends_at:
            return below(exchange, rest)  # all that follows was asked for before
        account = access.identify(request)
        # As the paths have it: what is behind the topic is a verb of it, or nothing.
        topic = topic_name(rest.partition(b"/")[0])
        access.allow(account, request, right, topic)
        if may_last not in (rest + b"?" + request.query):
            if folder in _SHORT and len(grants) < _MOST_GRANTS:
                grants[asked] = account
            return below(exchange, rest)
        access.check_room(account, request)
        handler = below(exchange, rest)
        if not exchange.is_over:
            account.hold(ExchangeStream(exchange, handler), right, topic)
        return handler

    return find


class ExchangeStream:
    """A request that lasts, and its right with it."""

    __slots__ = ("_exchange", "_handler")

    def __init__(self, exchange: Exchange, handler: Handler) -> None:
        self._exchange = exchange
        self._handler = handler

    @property
    def is_over(self) -> bool:
        return self._exchange.is_over

    def forbid(self, refusal: Exception) -> None:
        """End it: by its closing line if it has begun, or else with the refusal."""
        if self._exchange.is_over:
            return
        if self._exchange.is_begun:
            self._handler.close("forbidden")
        else:
            self._handler.on_gone()  # what it waits for is for others
            self._exchange.fail(refusal)
