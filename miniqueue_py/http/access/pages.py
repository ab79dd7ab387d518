"""Rights at the pages: checked before a page is made, and again by pages that tell of many topics.

Quart is behind this: it is imported with the pages.
"""

from typing import Any

from quart import Quart, g, request

from miniqueue_py.http.access.access import AUTHORIZATION, Access
from miniqueue_py.http.access.account import Account
from miniqueue_py.http.access.needs import KNOWN, Needs
from miniqueue_py.http.access.rights import Right
from miniqueue_py.http.asgi_exchange import REQUEST
from miniqueue_py.http.exchange import LOOKS, Request
from miniqueue_py.http.names import topic_name


class Caller:
    """Who asks for a page. This one may do everything: where nobody is told apart."""

    def require(self, right: Right, topic: str) -> None:
        """Let the page go on. Raises Forbidden."""

    def sees(self, right: Right, topic: str) -> bool:  # noqa: ARG002  as whoever is known
        """Tell if it may be shown that there is such a topic."""
        return True


class KnownCaller(Caller):
    """Somebody who may do what their account says."""

    def __init__(self, access: Access, account: Account, asked: Request) -> None:
        self._access = access
        self._account = account
        self._asked = asked

    def require(self, right: Right, topic: str) -> None:
        self._access.allow(self._account, self._asked, right, topic)

    def sees(self, right: Right, topic: str) -> bool:
        return self._account.principal.may(right, topic)


_ANYBODY = Caller()


def caller() -> Caller:
    """Return who asks for the page that is being made."""
    known: Caller = g.get("caller", _ANYBODY)
    return known


def guard_pages(app: Quart, access: Access, needs: Needs) -> None:
    """Have each page of an application ask for what it needs, before all else that it asks."""

    @app.before_request
    async def check_right() -> None:
        # Who asks for a page that there is not must be known too: else it could be found out
        # which there are.
        need = KNOWN if request.endpoint is None else needs[request.endpoint]
        if need.is_open:
            return
        scope: Any = request.scope  # typed as ASGI has it, and this is ours
        asked: Request = scope[REQUEST]
        # A cookie shows pages, and changes nothing: a browser sends it whoever has it ask.
        is_look = asked.method in LOOKS and AUTHORIZATION not in asked.first
        account = access.identify(asked, access.sessions.find(asked) if is_look else None)
        who = KnownCaller(access, account, asked)
        g.caller = who
        if need.right is None:
            return
        topic = need.topic or topic_name((request.view_args or {})["segment"])
        if need.instead is None or not who.sees(need.instead, topic):
            who.require(need.right, topic)
