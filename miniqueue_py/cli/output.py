"""What commands print: tables and lines for people, JSON for programs, errors in a line.

And the exit statuses. JSON has the keys of the wire, so what docs/protocol.md
says of them holds here.
"""

import json
import sys
from collections.abc import Mapping, Sequence

from miniqueue_py.cli.legible import legible

OK = 0
FAILED = 1
USAGE = 2
NO_CONNECTION = 3
INTERRUPTED = 130

_SIZES = ("", "K", "M", "G", "T", "P", "E")
_KILO = 1024
_TEN = 10


def complain(error: object, status: int) -> int:
    """Say in one line what went wrong; hand the status through."""
    words = with_notes(str(error), error) if isinstance(error, BaseException) else str(error)
    line = " ".join(words.splitlines())
    note(f"miniqueue: {line}")
    return status


def with_notes(words: str, error: BaseException) -> str:
    """Add what was noted at an error on its way up."""
    return "; ".join([words, *getattr(error, "__notes__", ())])


def note(line: str) -> None:
    """Say something beside the output; what others wrote in it steers no terminal."""
    print(legible(line), file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """Print one document on a line of its own, in ASCII: so it is JSON in any encoding."""
    print(json.dumps(value, separators=(",", ":")))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the first to the left and numbers to the right."""
    lines = [head, *rows]
    first, *others = (max(map(len, column)) for column in zip(*lines, strict=True))
    for name, *cells in lines:
        right = (f"{cell:>{width}}" for cell, width in zip(cells, others, strict=True))
        print(f"{name:<{first}}  {'  '.join(right)}".rstrip())


def print_facts(facts: Mapping[str, str]) -> None:
    """Print what is known of one thing, a fact on a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}".rstrip())


def size_in_words(count: int) -> str:
    """Return 512, 1.5K, 20M."""
    size, units = float(count), iter(_SIZES)
    unit = next(units)
    while size >= _KILO:
        size, unit = size / _KILO, next(units)
    return f"{size:.1f}{unit}" if unit and size < _TEN else f"{size:.0f}{unit}"


def age_in_words(seconds: float | None) -> str:
    """Return 0.3s, 42s, 3m12s, 5h, 12d; nothing for None."""
    if seconds is None:
        return ""
    if seconds < _TEN:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m{rest:02}s"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h" if days else f"{hours}h{minutes:02}m"
