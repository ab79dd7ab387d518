"""Where a dialect is served on a port of its own."""

from typing import NamedTuple

from miniqueue_py.http.dialects.known import NAMES

LOOPBACK = "127.0.0.1"
"""Those systems speak in clear: nobody else hears it unless an address is given."""

HIGHEST_PORT = 65535


class DialectAddress(NamedTuple):
    """A dialect, and where it listens."""

    name: str
    host: str
    port: int


def parse_dialects(text: str) -> tuple[DialectAddress, ...]:
    """Read `zapq=8081,tasks=0.0.0.0:8085`; empty text is none. A name may have several ports.

    Raises ValueError with the end of a sentence that the text begins.
    """
    return tuple(_parse(each.strip()) for each in text.split(",")) if text else ()


def _parse(text: str) -> DialectAddress:
    name, equals, where = text.partition("=")
    if not equals:
        raise ValueError("is not NAME=PORT or NAME=HOST:PORT, such as zapq=8081")
    if name not in NAMES:
        raise ValueError(f"names none of {', '.join(NAMES)}")
    host, _, port = where.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and int(port) <= HIGHEST_PORT):
        raise ValueError(f"has no port from 0 to {HIGHEST_PORT} for {name}")
    return DialectAddress(name, host or LOOPBACK, int(port))
