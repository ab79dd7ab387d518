"""The few words of ASGI that the plain callables speak."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from miniqueue_py.errors import BodyCutShort, MessageTooLong

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Headers = Iterable[tuple[bytes, bytes]]


class ClientGone(Exception):
    """The client left before its request was complete; nobody reads an answer."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of that (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None


def declared_length(scope: Scope) -> int | None:
    """Return how long the body is to be, if the client said so."""
    length = header(scope, b"content-length")
    return int(length) if length is not None and length.isdigit() else None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the request body.

    Raises MessageTooLong as soon as that is known, the declared length
    included; BodyCutShort when it is not as long as declared, which the
    servers do not always notice; and ClientGone when it does not end.
    """
    declared = declared_length(scope)
    if declared is not None and declared > limit:
        raise MessageTooLong(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        chunk = event.get("body", b"")
        if chunk:
            size += len(chunk)
            if size > limit:
                raise MessageTooLong(limit)
            chunks.append(chunk)
        if not event.get("more_body", False):
            if declared is not None and declared != size:
                raise BodyCutShort(declared, size)
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def without_body(send: Send) -> Send:
    """Return a send that answers HEAD: some servers leave that to the application."""

    async def send_head(event: Event) -> None:
        await send({**event, "body": b""} if event["type"] == "http.response.body" else event)

    return send_head


async def respond(send: Send, status: int, headers: Headers = (), body: bytes = b"") -> None:
    """Send a whole response."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": False})
