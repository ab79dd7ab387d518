"""Which broker a command speaks to, and how it proves who it is.

Each option has an environment variable where that makes sense. The CA of a
broker started in this directory is trusted without a word, so that what
`make run` began works at once.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miniqueue_py.certificate_paths import certificate_paths

if TYPE_CHECKING:
    from miniqueue_py.client import Client

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
        default=os.environ.get("MINIQUEUE_TOKEN") or None,
        metavar="TOKEN",
        help="sent as a Bearer token; better in MINIQUEUE_TOKEN",
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
        "token": options.token,
    }


def _authority(options: Namespace) -> str | None:
    if options.ca is not None or options.pin is not None:
        return options.ca or None  # a flag wins over the variable, be it the other one
    if named := os.environ.get("MINIQUEUE_CA"):
        return named
    ours = certificate_paths(Path("certs")).authority
    return str(ours) if ours.is_file() else None
