"""What `miniqueue -h` says, on one screen of 80 columns and 24 lines."""

from miniqueue_py.cli.commands import COMMANDS

_HEAD = "miniqueue COMMAND ...      a durable message queue over HTTP/2"
_TAIL = """\
`miniqueue COMMAND -h` tells more, and where the broker is: MINIQUEUE_URL, ...
It exits with 0, 1 (failed), 2 (wrong words), 3 (cannot connect), 130 (Ctrl-C)."""


def help_text() -> str:
    lines = [
        f"  {f'{command.name} {command.words}':<24} {command.summary}"
        for command in COMMANDS.values()
    ]
    return "\n".join([_HEAD, *lines, _TAIL])
