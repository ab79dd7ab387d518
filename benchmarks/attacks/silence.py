"""Connections that say little or nothing, each of which holds a place."""

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.attacks.enemy import Enemy, Target, trusting
from benchmarks.attacks.floods import ATTACKS, attack, head, opening
from tests.outside.frames import DATA, HANDSHAKE, HEADERS, frame

_SOCKETS = 2000
_TLS_CONNECTIONS = 300
_CONNECTIONS = 5000

_CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(32)
"""The beginning of one, which promises 200 bytes."""


def _sockets(target: Target, first: bytes, count: int = _SOCKETS) -> None:
    """Open so many sockets, say the same on each, and nothing more."""
    with ExitStack() as stack:
        for _ in range(count):
            if target.is_over:
                break
            with contextlib.suppress(OSError):
                each = socket.create_connection(("127.0.0.1", target.port), 1.0)
                stack.enter_context(each)
                each.sendall(first)
        target.rest(60.0)


@attack("2,000 sockets without a word")
def _say_nothing(target: Target) -> None:
    _sockets(target, b"")


@attack("5,000 sockets without a word")
def _say_nothing_often(target: Target) -> None:
    _sockets(target, b"", _CONNECTIONS)


@attack("2,000 halves of a ClientHello")
def _half_a_hello(target: Target) -> None:
    _sockets(target, _CLIENT_HELLO)


@attack("2,000 times HTTP without TLS")
def _no_tls(target: Target) -> None:
    _sockets(target, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def _hold(name: str, first: bytes, trickle: bytes = b"") -> None:
    """Enter an attack: many connections that begin and go no further, or by a byte at a time."""

    def hold(target: Target) -> None:
        with ExitStack() as stack:
            enemies = []
            for _ in range(_TLS_CONNECTIONS):
                if target.is_over:
                    break
                with contextlib.suppress(OSError):
                    enemies.append(stack.enter_context(Enemy(target)))
                    enemies[-1].send(first)
            rest = trickle
            while not target.is_over:
                for enemy in enemies:
                    enemy.send(rest[:1])
                rest = rest[1:]
                target.rest(0.2)

    ATTACKS[name] = hold


_hold("TLS and not a word", b"")
_hold("half a preface", HANDSHAKE[:10], HANDSHAKE[10:])
_hold("the preface and no SETTINGS", HANDSHAKE[:24])
_hold("a header block that never ends", HANDSHAKE + frame(HEADERS, 0, 1, head("GET", "/")))
_hold(
    "a frame that never ends",
    HANDSHAKE + opening(head("POST", "/publish/e"))(1) + frame(DATA, 0, 1, b"x" * 9000)[:9],
    b"y" * 9000,
)


def _handshakes(name: str, make: Callable[[Target], ssl.SSLContext]) -> None:
    """Enter an attack: handshakes one after the other, with whatever comes of them."""

    def shake(target: Target) -> None:
        context = make(target)
        for _ in range(_CONNECTIONS):
            if target.is_over:
                return
            with (
                contextlib.suppress(OSError, ValueError),
                socket.create_connection(("127.0.0.1", target.port), 1.0) as plain,
                context.wrap_socket(plain, server_hostname="localhost"),
            ):
                pass

    ATTACKS[name] = shake


def _old_tls(target: Target) -> ssl.SSLContext:
    context = trusting(target.ca, ("h2",))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


_handshakes("handshakes and goodbye", lambda target: trusting(target.ca, ("h2",)))
_handshakes("handshakes for no protocol", lambda target: trusting(target.ca, ("spdy/1",)))
_handshakes("TLS 1.0", _old_tls)


@attack("TLS renegotiation")
def _renegotiate(target: Target) -> None:
    """Ask for it with openssl, as often as it is granted."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{target.port}", "-tls1_2", "-quiet"]
    while not target.is_over:
        with (
            contextlib.suppress(OSError),
            subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as client,
        ):
            assert client.stdin is not None
            with contextlib.suppress(OSError):
                for _ in range(20):
                    client.stdin.write(b"R\n")
                    client.stdin.flush()
                    target.rest(0.05)
            client.kill()


@attack("5,000 connections")
def _connect_often(target: Target) -> None:
    """With a whole handshake of both kinds on each, as many as the time allows."""
    context = trusting(target.ca, ("h2",))
    with ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            if target.is_over:
                break
            with contextlib.suppress(OSError):
                plain = socket.create_connection(("127.0.0.1", target.port), 1.0)
                secure = context.wrap_socket(plain, server_hostname="localhost")
                stack.enter_context(secure)
                secure.sendall(HANDSHAKE)
        target.rest(60.0)
