"""What `miniqueue -h` says, on one screen of 80 columns and 24 lines."""

from miniqueue_py.cli.commands import COMMANDS

_HEAD = "miniqueue COMMAND ...      a durable message queue over HTTP/2"
_TAIL = "`COMMAND -h` tells more. Exit: 1 failed, 2 wrong words, 3 no broker, 130 Ctrl-C"


_TOGETHER = {"pause": "resume", "inspect": "repair"}
"""On one line, with the same words behind them."""


def help_text() -> str:
    lines = []
    for name, command in COMMANDS.items():
        if name in _TOGETHER.values():
            continue
        both = [command, *(COMMANDS[other] for other in (_TOGETHER.get(name),) if other)]
        names = ", ".join(each.name for each in both)
        summary = "; ".join(each.summary for each in both)
        lines.append(f"  {f'{names} {command.words}':<24} {summary}")
    return "\n".join([_HEAD, *lines, _TAIL])
