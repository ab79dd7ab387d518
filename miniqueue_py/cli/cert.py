"""`miniqueue cert`: make the certificates for development, and say how to use them."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from miniqueue_py.cli.output import OK, print_json
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.tls.certificates import ensure_development_certificates, make_certificates

_LOCAL = ("localhost", "127.0.0.1", "::1")

_LONGEST_NAME = 253

_HOST_NAME = re.compile(
    r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    re.ASCII | re.IGNORECASE,
)
"""Its last part begins with a letter, or it would be an address."""


def cert(argv: Sequence[str]) -> int:
    """Keep a certificate that is good; with --host, make one for these hosts too."""
    wanted = parser().parse_args(argv)
    if wanted.host:
        paths = make_certificates(wanted.directory, (*_LOCAL, *wanted.host))
    else:
        paths = ensure_development_certificates(wanted.directory, datetime.now(UTC))
    if wanted.json:
        print_json(
            {
                "certificate": str(paths.certificate),
                "key": str(paths.key),
                "authority": str(paths.authority),
            }
        )
        return OK
    print(f"the broker shows    -cert {paths.certificate} -key {paths.key}")
    print(f"its clients trust   {paths.authority}")
    print(f"with curl           curl --cacert {paths.authority} https://localhost:8080/healthz")
    return OK


def parser() -> ArgumentParser:
    parser = CommandParser(
        "cert",
        "[--host NAME]... [--directory DIR]",
        "Make certificates for development, signed by a small CA of their own.",
    )
    parser.add_argument(
        "--host",
        action="append",
        type=_host,
        metavar="NAME",
        help="a name or address to add to localhost, 127.0.0.1 and ::1; may be repeated",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path("certs"),
        metavar="DIR",
        help="where they are kept (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the paths as a JSON object")
    return parser


def _host(text: str) -> str:
    if len(text) <= _LONGEST_NAME and _HOST_NAME.fullmatch(text):
        return text
    try:
        return str(ip_address(text))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no host name, and no address") from None
