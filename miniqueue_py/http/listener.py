"""The sockets that servers listen on: bound first, so that a port in use is told in words."""

import errno
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from miniqueue_py.errors import BadSetting

Credentials = tuple[Path, Path]
"""A certificate and its private key, PEM."""

EVERYWHERE = "*"
"""All addresses of the machine, of both families."""

_LOOPBACK = ("127.0.0.1", "::1")
"""Both: which of them `localhost` is depends on who asks."""

_TRIES = 10
"""To find a port that is free on both, if any will do."""

_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def open_listener(
    host: str, port: int, keepalive_seconds: float, told_by: str | None = None
) -> socket.socket:
    """Return a bound socket.

    Raises BadSetting, for the setting that told both, if it is one, and not -host and -port.
    """
    try:
        return _bind(host, port, keepalive_seconds)
    except OSError as error:
        raise _refusal(error, host, port, told_by) from error


def open_loopback(port: int, keepalive_seconds: float) -> Sequence[socket.socket]:
    """Return sockets bound to one port of both loopback addresses, if there are both.

    Raises BadSetting, for -port.
    """
    for _ in range(_TRIES):
        first = open_listener(_LOOPBACK[0], port, keepalive_seconds)
        taken = first.getsockname()[1]
        try:
            return first, _bind(_LOOPBACK[1], taken, keepalive_seconds)
        except OSError as error:
            if error.errno in _NO_IPV6:
                return (first,)
            first.close()
            refusal = _refusal(error, _LOOPBACK[1], taken, None)
            if port:
                break
    raise refusal


def is_loopback(listener: socket.socket) -> bool:
    """Tell if nobody else's machine reaches it."""
    return ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def url_of(listener: socket.socket, scheme: str = "https") -> str:
    """Return where this machine reaches it."""
    host, port = listener.getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104  reading it, not binding it
        host = "localhost"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _refusal(error: OSError, host: str, port: int, told_by: str | None) -> BadSetting:
    # socket says more than it was asked for.
    reason = (error.strerror or str(error)).partition(" (while attempting")[0]
    setting = told_by or ("-port" if error.errno == errno.EADDRINUSE else "-host")
    return BadSetting(setting, f"cannot listen on {host}:{port}: {reason}")


def _bind(host: str, port: int, keepalive_seconds: float) -> socket.socket:
    everywhere = host == EVERYWHERE
    if everywhere and socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
        )
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server(
            ("" if everywhere else host, port), family=family, backlog=1024
        )
    # Accepted connections inherit these: small frames go out at once, and a
    # client whose machine vanished is noticed.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = max(1, round(keepalive_seconds))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle // 3))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    # Keep-alive does not probe while something sent is unacknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000 * idle)
    listener.setblocking(False)
    return listener
