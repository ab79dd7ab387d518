"""Which broker a command speaks to, and how it proves who it is.

Each option has an environment variable where that makes sense. The CA of a
broker started in this directory is trusted without a word, so that what
`make run` began works at once.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miniqueue_py.errors import BadParameter
from miniqueue_py.private_files import why_not_private
from miniqueue_py.tls.paths import certificate_paths

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_TOKEN_FILE = "MINIQUEUE_TOKEN_FILE"  # noqa: S105  it is no token
"""Names a file with the token, which others cannot read."""

DEFAULT_URL = "https://localhost:8080"


def add_connection_options(parser: ArgumentParser) -> None:
    options = parser.add_argument_group("the broker")
    options.add_argument(
        "--url",
        default=os.environ.get("MINIQUEUE_URL") or DEFAULT_URL,
        metavar="URL",
        help=f"where it is (MINIQUEUE_URL, {DEFAULT_URL})",
    )
    options.add_argument(
        "--ca",
        metavar="FILE",
        help="CA to trust (MINIQUEUE_CA, certs/ca.pem; '' the system's)",
    )
    options.add_argument("--pin", metavar="FILE", help="trust this certificate alone")
    options.add_argument("--client-cert", metavar="FILE", help="certificate to show")
    options.add_argument("--client-key", metavar="FILE", help="its private key")
    options.add_argument(
        "--token",
        metavar="TOKEN",
        help="sent as Bearer; better in MINIQUEUE_TOKEN, or _TOKEN_FILE",
    )


def make_client(
    options: Namespace, *, wait_when_full: bool = True, patience_seconds: float = 30.0
) -> "Client":
    """Make the client that the options ask for. Raises BadParameter."""
    # Here, and not on top: a help needs no TLS.
    from miniqueue_py.client import Client  # noqa: PLC0415

    return Client(
        options.url,
        **credentials(options),
        wait_when_full=wait_when_full,
        timeout_seconds=patience_seconds,
    )


def credentials(options: Namespace) -> dict[str, Any]:
    """Return whom to trust, and what to show, as Client and Worker take it."""
    return {
        "ca": _authority(options),
        "pin": options.pin,
        "certificate": options.client_cert,
        "key": options.client_key,
        "token": _token(options),
    }


def _authority(options: Namespace) -> str | None:
    if options.ca is not None or options.pin is not None:
        return options.ca or None  # a flag wins over the variable, be it the other one
    if named := os.environ.get("MINIQUEUE_CA"):
        return named
    ours = certificate_paths(Path("certs")).authority
    return str(ours) if ours.is_file() else None


def _token(options: Namespace) -> str | None:
    """Return the token, by the first that says one. Raises BadParameter."""
    if options.token is not None:
        return str(options.token)
    if token := os.environ.get("MINIQUEUE_TOKEN"):
        return token
    named = os.environ.get(_TOKEN_FILE)
    return _read_token(named) if named else None


def _read_token(file: str) -> str:
    try:
        problem = why_not_private(Path(file))
        token = Path(file).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a token"
        raise BadParameter(_TOKEN_FILE, f"{file}: {reason}") from None
    if problem:
        raise BadParameter(_TOKEN_FILE, problem)
    if not token:
        raise BadParameter(_TOKEN_FILE, f"{file} is empty")
    return token
