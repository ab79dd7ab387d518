"""ZoldyQ's WebSockets: where they are, and how they all end.

Plain ASGI: Quart keeps all that a peer sends until somebody looks at it.
"""

from typing import NamedTuple

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.account import Account
from miniqueue_py.http.access.rights import CONSUME, PUBLISH, Right
from miniqueue_py.http.asgi import Receive, Scope, Send
from miniqueue_py.http.dialects.zoldyq.conversation import Conversation, Peer
from miniqueue_py.http.dialects.zoldyq.dequeuing import Dequeuing
from miniqueue_py.http.dialects.zoldyq.enqueuing import Enqueuing
from miniqueue_py.http.dialects.zoldyq.queues import ZoldyqQueues
from miniqueue_py.http.exchange import Request
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.problems import problem, problem_of
from miniqueue_py.http.sockets import answer_handshake

_PACED = "miniqueue.socket"

_QUEUES = b"/queues/"


class ZoldyqSockets:
    """An ASGI application for WebSockets alone."""

    def __init__(self, queues: ZoldyqQueues, access: Access | None = None) -> None:
        self._queues = queues
        self._access = access
        self._open: set[Conversation] = set()

    def __repr__(self) -> str:
        return f"<ZoldyqSockets, {len(self._open)} open>"

    def drain(self) -> None:
        """Have all sockets close; what is being stored is answered first."""
        for socket in list(self._open):
            socket.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a socket until either side ends it, or refuse it."""
        await receive()  # the wish to connect
        account = None
        try:
            way = self._find(scope)
            if self._access is not None:
                account = self._admit(self._access, scope, way)
        except MiniqueueError as error:
            await answer_handshake(send, *problem_of(error))
            return
        if way is None:
            await answer_handshake(send, *problem(404, "page not found"))
        elif self._queues.broker.is_draining:
            await answer_handshake(send, *problem(503, "the broker is draining"))
        else:
            peer = Peer(receive, send, scope["extensions"][_PACED]["has_left"])
            socket = way.kind(self._queues, way.topic, peer)
            self._open.add(socket)
            if account is not None:
                account.hold(socket, way.right, way.topic)
            try:
                await socket.run()
            finally:
                self._open.discard(socket)
                if account is not None:
                    account.let_go(socket)

    def _find(self, scope: Scope) -> "_Way | None":
        path: bytes = scope["raw_path"] or b""
        segment, _, verb = path.removeprefix(_QUEUES).partition(b"/")
        kind, right = _KINDS.get(verb, (None, CONSUME))
        if not path.startswith(_QUEUES) or kind is None:
            return None
        return _Way(kind, right, topic_name(segment))

    @staticmethod
    def _admit(access: Access, scope: Scope, way: "_Way | None") -> Account:
        """Return whose socket it is to be. Raises AccessRefused."""
        path: bytes = scope["raw_path"] or b""
        asked = Request(
            "GET", path, b"", scope["headers"], scope["http_version"], "wss", scope["client"]
        )
        account = access.identify(asked)
        if way is not None:
            access.allow(account, asked, way.right, way.topic)
            access.check_room(account, asked)
        return account


class _Way(NamedTuple):
    """What a path leads to."""

    kind: type[Conversation]
    right: Right
    topic: str


_KINDS: dict[bytes, tuple[type[Conversation], Right]] = {
    b"enqueue": (Enqueuing, PUBLISH),
    b"dequeue": (Dequeuing, CONSUME),
}
