"""What stands behind the `?` of a path.

A name that a page does not know is ignored, however often it stands there:
MiniQueue ignores every query, and its clients may send one. One that it does
know stands there at most once. Names and values are percent-decoded once, and
`+` is a space, as in every form.
"""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from miniqueue_py.errors import BadParameter
from miniqueue_py.protocol.options import check_delay, check_priority, check_ttl
from miniqueue_py.units import parse_duration, parse_whole_number

Checked = TypeVar("Checked")
Default = TypeVar("Default")


class Query:
    """The parameters of a request; nothing is wrong with one until it is asked for."""

    def __init__(self, query_string: bytes) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for part in query_string.split(b"&") if query_string else ():
            name, _, value = part.partition(b"=")
            self._values.setdefault(_decode(name), []).append(value)

    def text(self, name: str) -> str | None:
        """Return a value, None if there is none. Raises BadParameter."""
        values = self._values.get(name.encode())
        if values is None:
            return None
        if len(values) > 1:
            raise BadParameter(name, f"is given {len(values)} times; give it once")
        try:
            return _decode(values[0]).decode()
        except UnicodeDecodeError:
            raise BadParameter(name, "is not UTF-8") from None

    def read(
        self, name: str, check: Callable[[str], Checked], default: Default
    ) -> Checked | Default:
        """Return what `check` makes of a value. Raises BadParameter for its ValueError."""
        text = self.text(name)
        if text is None:
            return default
        try:
            return check(text)
        except ValueError as error:
            raise BadParameter(name, str(error)) from None

    def duration(
        self, name: str, default: Default, *, least: float, most: float
    ) -> float | Default:
        """Return the seconds of a duration such as 30s. Raises BadParameter."""

        def check(text: str) -> float:
            seconds = parse_duration(text)
            if not least <= seconds <= most:
                raise ValueError(f"is not from {least:g} to {most:g} seconds")
            return seconds

        return self.read(name, check, default)

    def whole_number(self, name: str, default: Default, *, least: int, most: int) -> int | Default:
        """Return a number of digits alone. Raises BadParameter."""

        def check(text: str) -> int:
            number = parse_whole_number(text)
            if not least <= number <= most:
                raise ValueError(f"is not a whole number from {least} to {most}")
            return number

        return self.read(name, check, default)


def publication_terms(query: Query) -> tuple[int, float, float | None]:
    """Return the priority, the delay and the ttl that a publisher asks for.

    Raises BadParameter.
    """
    return (
        query.read("priority", check_priority, 0),
        query.read("delay", check_delay, 0.0),
        query.read("ttl", check_ttl, None),
    )


def _decode(text: bytes) -> bytes:
    spaced = text.replace(b"+", b" ")
    return unquote_to_bytes(spaced) if b"%" in spaced else spaced
