"""How the words behind a command are read, and how its help looks.

A help fits a screen of 80 columns and 24 lines. What cannot be read is told in
one line, as a wrong setting of the broker is.
"""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, HelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from miniqueue_py.database_address import parse_address, without_password
from miniqueue_py.errors import BadSetting
from miniqueue_py.units import parse_duration, parse_whole_number

T = TypeVar("T")

COLUMNS = 79
"""Of a help: one less than a terminal has, or some begin a line of their own."""
_LEFT = 22


class CommandParser(ArgumentParser):
    """The words of one command."""

    def __init__(self, name: str, words: str, description: str) -> None:
        super().__init__(
            prog=f"miniqueue {name}",
            usage=f"miniqueue {name} {words}",
            description=description,
            allow_abbrev=False,
            add_help=False,
            formatter_class=_formatter,
        )
        self._name = name
        # One list without headings: each of them takes two lines of few.
        self._positionals = self._optionals
        self._optionals.title = None
        # Told by `miniqueue -h`; here it would take a line of few.
        self.add_argument("-h", "--help", action="help", help=SUPPRESS)

    def error(self, message: str) -> NoReturn:
        problem = message.removeprefix("argument ")
        raise BadSetting(self._name, f"{problem}; `miniqueue {self._name} -h` tells more")


def duration(text: str) -> float:
    """Seconds: as Go writes them, or a plain number."""
    return _read(text, lambda: float(text) if _is_number(text) else parse_duration(text))


def whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = _read(text, lambda: _parse_signed(text))
        if not least <= number <= most:
            raise ArgumentTypeError(f"{text} is not from {least} to {most}")
        return number

    return read


def database_directory(text: str) -> Path:
    """Return the directory of what a broker has as -db; of one on a server there is none."""
    address = _read(text, lambda: parse_address(text))
    if address.directory is None:
        raise ArgumentTypeError(f"{address.scheme}: has no directory that could be looked into")
    return address.directory


def _parse_signed(text: str) -> int:
    """Read a number below zero too: it is one, and only too small."""
    digits = text.removeprefix("-")
    return parse_whole_number(digits) if digits == text else -parse_whole_number(digits)


def _read(text: str, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except ValueError as error:
        raise ArgumentTypeError(f"{without_password(text)!r} {error}") from error


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal() and text.isascii()


def _formatter(prog: str) -> HelpFormatter:
    return HelpFormatter(prog, max_help_position=_LEFT, width=COLUMNS)
