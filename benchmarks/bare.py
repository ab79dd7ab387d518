"""Servers without a broker: `python -m benchmarks.bare WHAT DIRECTORY`.

echo sends back what it gets over TLS. On ours (Hypercorn as the broker runs it)
and plain (Hypercorn as it ships) runs an application that stores nothing: it
answers 201 to a publish, counts the lines of a stream and drops them, and sends
every subscriber the same lines for ever, as far as its credit goes.
"""

import asyncio
import re
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from miniqueue_py.certificate_paths import certificate_paths
from miniqueue_py.http.asgi import Receive, Scope, Send, read_body, respond
from miniqueue_py.http.listener import open_listener

_LINE = (
    b'{"msg":"%s","id":1234567,"attempt":1,'
    b'"messageId":"1-1234567","publishedAt":1700000000000}\n' % (b"YWJj" * 34)
)
_NUMBER = re.compile(rb"\d+")
_READY_MADE = _LINE * 10_000


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Do as little as a server's application can."""
    if scope["type"] != "http":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await asyncio.Event().wait()
    elif scope["path"].startswith("/subscribe/"):
        await _send_for_ever(receive, send)
    elif scope["path"].endswith("/batch"):
        await _count_lines(receive, send)
    else:
        await read_body(scope, receive, 1 << 20)
        await respond(send, 201)


async def _count_lines(receive: Receive, send: Send) -> None:
    count, more = 0, True
    while more:
        event = await receive()
        count += event.get("body", b"").count(b"\n")
        more = event.get("more_body", False)
    await respond(send, 200, body=b'{"published":%d}\n' % count)


async def _send_for_ever(receive: Receive, send: Send) -> None:
    """Keep to the credit, and look at nothing else that the consumer says."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    sent = acknowledged = credit = 0
    while (event := await receive()).get("more_body", False):
        if numbers := _NUMBER.findall(event["body"]):
            if credit:
                acknowledged = int(numbers[-1])
            else:
                credit = int(numbers[0])
        count = acknowledged + credit - sent
        lines = _READY_MADE[: count * len(_LINE)]
        await send({"type": "http.response.body", "body": lines, "more_body": True})
        sent += count
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def serve(what: str, directory: str) -> None:
    """Print the port, and serve until killed."""
    paths = certificate_paths(Path(directory))
    here = "127.0.0.1", 0
    listener = socket.create_server(here) if what == "plain" else open_listener(*here, 30)
    print(listener.getsockname()[1], flush=True)
    until: Callable[[], Awaitable[Any]] = asyncio.Event().wait
    if what == "ours":
        from miniqueue_py.http.servers.hypercorn import run_hypercorn  # noqa: PLC0415  one of three

        await run_hypercorn(bare, listener, (paths.certificate, paths.key), until)
    elif what == "plain":
        from hypercorn.asyncio import serve as serve_plain  # noqa: PLC0415  one of three

        from miniqueue_py.http.servers.hypercorn import make_config  # noqa: PLC0415

        framework: Any = bare
        await serve_plain(framework, make_config(listener, (paths.certificate, paths.key)))
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(paths.certificate, paths.key)
        await asyncio.get_running_loop().create_server(_Echo, sock=listener, ssl=context)
        await until()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2]))
