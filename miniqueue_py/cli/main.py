"""The `miniqueue` command: which word does what, and what it exits with.

0 when all went well, 1 when it failed, 2 for words or settings that are wrong,
3 when there is no broker to connect to, 130 after Ctrl-C.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

from miniqueue_py.cli.commands import COMMANDS
from miniqueue_py.cli.extras import hint_of
from miniqueue_py.cli.output import FAILED, INTERRUPTED, OK, USAGE, complain, with_notes
from miniqueue_py.cli.standard_streams import (
    drop_output,
    make_stdout_robust,
    open_closed_streams,
)
from miniqueue_py.errors import BadSetting, DatabaseRefused, NotSynced
from miniqueue_py.signals import spare_needless_signals
from miniqueue_py.version import __version__

_HELP = {"-h", "-help", "--help"}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Do what the words say, and exit."""
    spare_needless_signals()
    open_closed_streams()
    make_stdout_robust()
    words = sys.argv[1:] if argv is None else argv
    try:
        status = _run_or_help(words)
        print(end="", flush=True)
    except (BadSetting, DatabaseRefused) as error:
        status = complain(error, USAGE)
    except NotSynced as error:
        status = complain(error, FAILED)
    except BrokenPipeError:
        status = OK  # whoever read it has enough
        drop_output()
    except ModuleNotFoundError as error:
        hint = hint_of(error)
        if hint is None:
            raise
        status = complain(hint, USAGE)
    except OSError as error:
        status = complain(with_notes(_what_failed(error), error), FAILED)
        drop_output()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


def _run_or_help(words: Sequence[str]) -> int:
    try:
        return _run(words)
    except SystemExit as end:  # a parser printed its help, and is yet to know if it is out
        return end.code if isinstance(end.code, int) else OK


def _what_failed(error: OSError) -> str:
    problem = error.strerror or str(error)
    return problem if error.filename is None else f"{error.filename}: {problem}"


def _run(words: Sequence[str]) -> int:
    match words:
        case ["help", name, *_] if name in COMMANDS:
            return COMMANDS[name].load()(["-h"])
        case ["--version" | "-version" | "version", *_]:
            print(f"miniqueue {__version__}")
        case ["help" | "-h" | "-help" | "--help", *_]:
            from miniqueue_py.cli.help import help_text  # noqa: PLC0415  only who asks reads it

            print(help_text())
        case [name, *rest] if name in COMMANDS:
            return COMMANDS[name].load()(rest)
        case [name, *_] if not name.startswith("-"):
            raise BadSetting(repr(name), _no_command(name))
        case _:
            return COMMANDS["serve"].load()(words)
    return OK


def _no_command(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only a slip of the finger needs it

    likely = get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {likely[0]}? " if likely else ""
    return f"there is no such command; {hint}`miniqueue -h` lists them"
