"""What `miniqueue -h` says, on one screen of 80 columns and 24 lines."""

from miniqueue_py.cli.commands import COMMANDS

_HEAD = "miniqueue COMMAND ...      a durable message queue over HTTP/2"
_TAIL = "`COMMAND -h` tells more. Exit: 1 failed, 2 wrong words, 3 no broker, 130 Ctrl-C"


def help_text() -> str:
    lines = [
        f"  {f'{command.name} {command.words}':<24} {command.summary}"
        for command in COMMANDS.values()
    ]
    return "\n".join([_HEAD, *lines, _TAIL])
