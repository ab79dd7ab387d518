"""The `miniqueue` command: which word does what, and what it exits with.

0 when all went well, 2 for a setting that is wrong, 130 after Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from miniqueue_py.cli.cert import cert
from miniqueue_py.cli.help import help_text
from miniqueue_py.cli.serve import serve
from miniqueue_py.errors import BadSetting, DatabaseRefused
from miniqueue_py.version import __version__

_HELP = {"-h", "-help", "--help"}
_BAD_SETTING = 2
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Do what the words say, and exit."""
    words = sys.argv[1:] if argv is None else argv
    try:
        status = _run(words)
    except (BadSetting, DatabaseRefused) as error:
        line = " ".join(str(error).splitlines())
        print(f"miniqueue: {line}", file=sys.stderr)
        status = _BAD_SETTING
    except KeyboardInterrupt:
        status = _INTERRUPTED
    sys.exit(status)


def _run(words: Sequence[str]) -> int:
    match words:
        case ["cert", *rest]:
            return cert(rest)
        case ["help", *_]:
            print(help_text())
        case ["--version" | "-version" | "version", *_]:
            print(f"miniqueue {__version__}")
        case _ if _HELP.intersection(words):
            print(help_text())
        case ["serve", *rest]:
            return serve(rest, os.environ)
        case _:
            return serve(words, os.environ)
    return 0
