"""The socket that servers listen on: bound first, so that a port in use is told in words."""

import errno
import socket
from pathlib import Path

from miniqueue_py.errors import BadSetting

Credentials = tuple[Path, Path]
"""A certificate and its private key, PEM."""


def open_listener(
    host: str, port: int, keepalive_seconds: float, told_by: str | None = None
) -> socket.socket:
    """Return a bound socket, on all addresses if `host` is empty.

    Raises BadSetting, for the setting that told both, if it is one, and not -host and -port.
    """
    try:
        if not host and socket.has_dualstack_ipv6():
            listener = socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        # socket says more than it was asked for.
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        setting = told_by or ("-port" if error.errno == errno.EADDRINUSE else "-host")
        raise BadSetting(setting, f"cannot listen on {host or '*'}:{port}: {reason}") from error
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


def url_of(listener: socket.socket, scheme: str = "https") -> str:
    """Return where this machine reaches it."""
    host, port = listener.getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104  reading it, not binding it
        host = "localhost"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
