"""`miniqueue cert`: make the certificates for development, and say how to use them."""

from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from miniqueue_py.certificates import ensure_development_certificates, make_certificates
from miniqueue_py.cli.output import OK, print_json
from miniqueue_py.cli.parser import CommandParser

_LOCAL = ("localhost", "127.0.0.1", "::1")


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
