"""Where on a port the WebSockets are."""

from collections.abc import Mapping

from miniqueue_py.http.asgi import App, Headers, Receive, Scope, Send

_HTTP = "websocket.http.response"


def below(folders: Mapping[bytes, App]) -> App:
    """Mount WebSockets in folders of the root; there are none beside them."""

    async def converse(scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"] or b""
        folder, slash, rest = path[1:].partition(b"/")
        sockets = folders.get(folder)
        if slash and sockets is not None:
            await sockets({**scope, "raw_path": slash + rest}, receive, send)
        else:
            await refuse(scope, receive, send)

    return converse


async def refuse(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a handshake with 403, which is what ASGI has for it."""
    await receive()
    await send({"type": "websocket.close"})


async def answer_handshake(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answer a handshake as a request, and so refuse it."""
    await send({"type": f"{_HTTP}.start", "status": status, "headers": headers})
    await send({"type": f"{_HTTP}.body", "body": body, "more_body": False})
