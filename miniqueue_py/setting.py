"""One setting: how it is spelled, read and explained.

Which settings there are is config/settings.py's and each dialect's; how numbers are written is
units.py's.

A parser takes the text of any source and raises ValueError with the end of a
sentence that begins with that text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from miniqueue_py.database_address import parse_address
from miniqueue_py.units import parse_duration, parse_size, parse_whole_number

T = TypeVar("T")
NumberT = TypeVar("NumberT", int, float)
Chapter = Literal["", "access", "brokers", "dialects", "limits"]
ChoiceT = TypeVar("ChoiceT", bound=str)

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.ASCII)
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?", re.ASCII)

# Go's strconv.ParseBool, word for word.
_YES = {"1", "t", "T", "true", "TRUE", "True"}
_NO = {"0", "f", "F", "false", "FALSE", "False"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a field of Settings is called outside, and how its text is read."""

    flag: str
    parse: Callable[[str], object]
    default: str
    explanation: str
    alias: str = ""
    """The variable by which another system's users know it."""
    chapter: Chapter = ""
    """Of the help, where it stands apart from what everybody may want to know."""
    is_list: bool = False
    """True when giving it again adds to it."""

    @property
    def variable(self) -> str:
        return "MINIQUEUE_" + self.flag.upper().replace("-", "_")

    @property
    def is_switch(self) -> bool:
        return self.parse is switch


def setting(
    flag: str, parse: Callable[[str], T], default: str, explanation: str, *, is_list: bool = False
) -> T:
    """Declare a field of Settings, whose value is what `parse` makes."""
    about = Setting(flag, parse, default, explanation, is_list=is_list)
    return _field(about, parse(default))


def dialect_setting(
    flag: str, parse: Callable[[str], T], default: str, explanation: str, alias: str = ""
) -> T:
    """Declare one that belongs to a dialect, with the variable that its system has for it."""
    about = Setting(flag, parse, default, explanation, alias, chapter="dialects")
    return _field(about, parse(default))


def limit_setting(flag: str, parse: Callable[[str], T], default: str, explanation: str) -> T:
    """Declare one that bounds what clients may take; the default is right for nearly all."""
    return _field(Setting(flag, parse, default, explanation, chapter="limits"), parse(default))


def brokers_setting(flag: str, parse: Callable[[str], T], default: str, explanation: str) -> T:
    """Declare one for brokers that share a store."""
    return _field(Setting(flag, parse, default, explanation, chapter="brokers"), parse(default))


def access_setting(
    flag: str, parse: Callable[[str], T], default: str, explanation: str, *, is_list: bool = False
) -> T:
    """Declare one by which clients are told apart, or kept out."""
    about = Setting(flag, parse, default, explanation, chapter="access", is_list=is_list)
    return _field(about, parse(default))


def _field(about: Setting, default: T) -> T:
    return field(default=default, metadata={"setting": about})


def text(given: str) -> str:
    return given


def host_names(given: str) -> tuple[str, ...]:
    return _list_of(_HOST_NAME, "is no host name", given.lower())


def origins(given: str) -> tuple[str, ...]:
    return _list_of(_ORIGIN, "is no origin, such as https://app.example", given)


def _list_of(pattern: re.Pattern[str], problem: str, given: str) -> tuple[str, ...]:
    each = tuple(word.strip() for word in given.split(",")) if given else ()
    if not all(map(pattern.fullmatch, each)):
        raise ValueError(problem)
    return each


def storage_url(given: str) -> str:
    parse_address(given)
    return given


def path(given: str) -> Path | None:
    return Path(given) if given else None


def switch(given: str) -> bool:
    if given not in _YES | _NO:
        raise ValueError("is neither true nor false")
    return given in _YES


def one_of(*choices: ChoiceT) -> Callable[[str], ChoiceT]:
    def parse(given: str) -> ChoiceT:
        for choice in choices:
            if choice == given:
                return choice
        raise ValueError(f"is none of {', '.join(choices)}")

    return parse


def only_server(given: str) -> Literal["hypercorn"]:
    """Take the one value that is left, for the unit files that say it."""
    if given == "hypercorn":
        return "hypercorn"
    if given == "granian":
        raise ValueError("is gone: hypercorn is the only server there is; leave the setting out")
    raise ValueError("is not hypercorn, the only server there is")


def duration(least: str, most: str) -> Callable[[str], float]:
    return _within(parse_duration, least, most)


def size(least: str, most: str) -> Callable[[str], int]:
    return _within(parse_size, least, most)


def whole_number(least: str, most: str) -> Callable[[str], int]:
    return _within(parse_whole_number, least, most)


def at_least_one(parse: Callable[[str], int]) -> Callable[[str], int]:
    def parse_some(given: str) -> int:
        number = parse(given)
        if number < 1:
            raise ValueError("is not 1 or more")
        return number

    return parse_some


def _within(parse: Callable[[str], NumberT], least: str, most: str) -> Callable[[str], NumberT]:
    lowest, highest = parse(least), parse(most)

    def parse_within(given: str) -> NumberT:
        number = parse(given)
        if not lowest <= number <= highest:
            raise ValueError(f"is not from {least} to {most}")
        return number

    return parse_within
