"""Where on a port the WebSockets are."""

from miniqueue_py.http.asgi import App, Headers, Receive, Scope, Send

_HTTP = "websocket.http.response"


def below(folder: bytes, sockets: App) -> App:
    """Mount WebSockets under a path; there are none beside it."""

    async def converse(scope: Scope, receive: Receive, send: Send) -> None:
        path: bytes = scope["raw_path"] or b""
        if path.startswith(folder + b"/"):
            await sockets({**scope, "raw_path": path[len(folder) :]}, receive, send)
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
