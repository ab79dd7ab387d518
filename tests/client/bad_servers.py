"""Whatever a client may meet in place of a good broker, each by its own function.

Each is ready to be entered, and shows the certificate that it is given.
"""

import contextlib
import itertools
import random
import socket
import ssl
import threading
from pathlib import Path

from miniqueue_py.tls.paths import CertificatePaths
from tests.client.http2_server import Answer, Answerer, Http2Server, Request, json_answer
from tests.client.threaded_server import Talk, ThreadedServer, server_context

_HTML = b"<!doctype html><title>Not here</title><p>There is nothing of that name."
_MOST_READ = 1 << 16


def http1_only(certificates: CertificatePaths, protocols: tuple[str, ...] = ()) -> ThreadedServer:
    """TLS and HTTP/1.1, with no ALPN, or with one that offers no h2."""

    def talk(peer: socket.socket) -> None:
        peer.recv(_MOST_READ)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        _read_to_end(peer)

    context = server_context(str(certificates.certificate), str(certificates.key), protocols)
    return ThreadedServer(talk, context)


def stranger(certificates: CertificatePaths, status: int = 404) -> Http2Server:
    """A decent web server that has never heard of topics."""

    def answer(request: Request) -> Answer | None:
        if not request.is_complete:
            return None
        return Answer(status, _HTML, {"content-type": "text/html", "server": "nginx"})

    return http2(certificates, answer)


def guard(certificates: CertificatePaths, token: str, status: int = 401) -> Http2Server:
    """A broker that lets in who has the token."""

    def answer(request: Request) -> Answer | None:
        if request.headers.get("authorization") == f"Bearer {token}":
            return as_a_broker(request)
        return json_answer(status, {"error": "this token is not known here"})

    return http2(certificates, answer)


def wants_certificate(certificates: CertificatePaths, clients: Path) -> Http2Server:
    """A broker for whoever shows a certificate that this authority signed."""
    server = http2(certificates, as_a_broker)
    server.context.verify_mode = ssl.CERT_REQUIRED
    server.context.load_verify_locations(clients)
    return server


def no_tls() -> ThreadedServer:
    """HTTP without TLS."""

    def talk(peer: socket.socket) -> None:
        peer.recv(_MOST_READ)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    return ThreadedServer(talk)


def banner() -> ThreadedServer:
    """Something that speaks first, and no TLS: a mail server."""

    def talk(peer: socket.socket) -> None:
        peer.sendall(b"220 mail.example ESMTP\r\n")
        _read_to_end(peer)

    return ThreadedServer(talk)


def hangs_up() -> ThreadedServer:
    """Accepts, and closes at once."""
    return ThreadedServer(lambda _: None)


def silent() -> ThreadedServer:
    """Accepts, and never says a word."""
    return ThreadedServer(_read_to_end)


def silent_behind_tls(certificates: CertificatePaths) -> ThreadedServer:
    """Shakes hands, agrees on h2, and never says a word."""
    return _by_tls(certificates, _read_to_end)


def never_answers(certificates: CertificatePaths) -> Http2Server:
    """Speaks HTTP/2 and answers no request."""
    return http2(certificates, lambda _: None)


def raves_instead_of_http2(certificates: CertificatePaths, seed: int) -> ThreadedServer:
    """Sends bytes at random where frames belong."""

    def talk(peer: socket.socket) -> None:
        peer.sendall(random.Random(seed).randbytes(20_000))
        _read_to_end(peer)

    return _by_tls(certificates, talk)


def raves_behind_answers(certificates: CertificatePaths, rubbish: bytes) -> Http2Server:
    """Answers as a broker, and sends what no frame may be behind each answer."""

    def answer(request: Request) -> Answer | None:
        good = as_a_broker(request)
        if good is None:
            return None
        return Answer(good.status, good.body, good.headers, good.stays_open, rubbish=rubbish)

    return http2(certificates, answer)


def leaves(certificates: CertificatePaths, after: int) -> Http2Server:
    """Answers as a broker; each connection gets a GOAWAY behind so many answers."""
    seen: dict[int, int] = {}

    def answer(request: Request) -> Answer | None:
        good = as_a_broker(request)
        if good is None:
            return None
        count = seen[request.connection] = seen.get(request.connection, 0) + 1
        goaway = count == after
        return Answer(good.status, good.body, good.headers, good.stays_open, goaway=goaway)

    return http2(certificates, answer)


def narrow(certificates: CertificatePaths, most_streams: int) -> Http2Server:
    """A broker that allows few streams on a connection."""
    return http2(certificates, as_a_broker, most_streams)


def busy(
    certificates: CertificatePaths, times: int, retry_after: str = "1", status: int = 429
) -> Http2Server:
    """A broker whose topics are full for as many publishes as this."""
    left = iter(range(times))
    lock = threading.Lock()

    def answer(request: Request) -> Answer | None:
        if not request.path.startswith("/publish/") or not request.is_complete:
            return as_a_broker(request)
        with lock:
            is_full = next(left, None) is not None
        if not is_full:
            return as_a_broker(request)
        told = {"error": "topic 't' is full: maxMessages is 1; try again later"}
        return json_answer(status, told, {"retry-after": retry_after})

    return http2(certificates, answer)


def http2(certificates: CertificatePaths, answer: Answerer, most_streams: int = 100) -> Http2Server:
    """A server that answers by a function."""
    context = server_context(str(certificates.certificate), str(certificates.key))
    return Http2Server(answer, context, most_streams)


_ids = itertools.count(1)


def as_a_broker(request: Request) -> Answer | None:
    """What a broker answers that stores nothing, and has nothing to deliver."""
    if request.path.startswith("/subscribe/"):
        return Answer(200, stays_open=True)
    if not request.is_complete:
        return None
    if request.path.startswith("/publish/"):
        return Answer(201, b"", {"miniqueue-message-id": f"1-{next(_ids)}"})
    if request.path in {"/healthz", "/readyz"}:
        return Answer(200, b"ok", {"miniqueue-max-message": str(1 << 20)})
    return _page(request.path)


def _page(path: str) -> Answer:
    if path.startswith("/topics/"):
        return json_answer(200, topic_page(path.removeprefix("/topics/")))
    if path.startswith("/topics"):
        return json_answer(200, {"topics": []})
    return json_answer(404, {"error": f"there is no page {path}"})


def topic_page(name: str) -> dict[str, object]:
    """What a broker tells of a topic in which nothing is, and never was."""
    counts = ("ready", "inFlight", "delayed", "bytes", "published", "delivered")
    more = ("acknowledged", "expired", "deadLettered", "consumers")
    return {
        "name": name,
        **dict.fromkeys((*counts, *more), 0),
        "oldestAgeSeconds": None,
        "paused": False,
        "policy": {"lease": None, "dedupeWindow": 300},
        "deadLetterTopic": f"{name}.dead",
    }


def _by_tls(certificates: CertificatePaths, talk: Talk) -> ThreadedServer:
    context = server_context(str(certificates.certificate), str(certificates.key))
    return ThreadedServer(talk, context)


def _read_to_end(peer: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while peer.recv(_MOST_READ):
            pass
