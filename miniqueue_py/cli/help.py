"""What `miniqueue -h` says, on one screen of 80 columns and 24 lines."""

from miniqueue_py.config import settings_table

_HEAD = """\
miniqueue [serve] [-flag value]...   run a broker
miniqueue cert [--host NAME]...      make certificates for development
MiniQueue's flags, with their defaults:"""
_LAST_OF_MINIQUEUE = "port"
_MORE = "and more:"
_TAIL = "A flag wins over its variable (MINIQUEUE_MAX_MSGS), and that over the file."


def help_text() -> str:
    lines = [_HEAD]
    for _, setting in settings_table():
        between = "=" if setting.is_switch else " "
        flag = f"-{setting.flag}{between}{setting.default}"
        lines.append(f"  {flag:<22} {setting.explanation}")
        if setting.flag == _LAST_OF_MINIQUEUE:
            lines.append(_MORE)
    return "\n".join([*lines, _TAIL])
