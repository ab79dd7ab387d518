"""ZoldyQ's WebSockets: where they are, and how they all end.

Plain ASGI: Quart keeps all that a peer sends until somebody looks at it.
"""

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.asgi import Receive, Scope, Send
from miniqueue_py.http.dialects.zoldyq_conversation import Conversation, Peer
from miniqueue_py.http.dialects.zoldyq_dequeuing import Dequeuing
from miniqueue_py.http.dialects.zoldyq_enqueuing import Enqueuing
from miniqueue_py.http.dialects.zoldyq_queues import ZoldyqQueues
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.problems import problem, problem_of
from miniqueue_py.http.sockets import answer_handshake

_PACED = "miniqueue.socket"

_QUEUES = b"/queues/"


class ZoldyqSockets:
    """An ASGI application for WebSockets alone."""

    def __init__(self, queues: ZoldyqQueues) -> None:
        self._queues = queues
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
        try:
            socket = self._find(scope, receive, send)
        except MiniqueueError as error:
            await answer_handshake(send, *problem_of(error))
            return
        if socket is None:
            await answer_handshake(send, *problem(404, "page not found"))
        elif self._queues.broker.is_draining:
            await answer_handshake(send, *problem(503, "the broker is draining"))
        else:
            self._open.add(socket)
            try:
                await socket.run()
            finally:
                self._open.discard(socket)

    def _find(self, scope: Scope, receive: Receive, send: Send) -> "Conversation | None":
        path: bytes = scope["raw_path"] or b""
        segment, _, verb = path.removeprefix(_QUEUES).partition(b"/")
        kind = {b"enqueue": Enqueuing, b"dequeue": Dequeuing}.get(verb)
        if not path.startswith(_QUEUES) or kind is None:
            return None
        peer = Peer(receive, send, scope["extensions"][_PACED]["has_left"])
        return kind(self._queues, topic_name(segment), peer)
