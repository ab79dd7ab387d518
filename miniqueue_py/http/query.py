"""What stands behind the `?` of a path.

A name that a page does not know is refused: a filter that is misspelled must
not move everything. On the paths of MiniQueue's own protocol it is ignored,
however often it stands there: MiniQueue ignores every query, and its clients
may send one. Names and values are percent-decoded once, and `+` is a space, as
in every form.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from miniqueue_py.errors import BadParameter
from miniqueue_py.protocol.options import check_delay, check_priority, check_ttl
from miniqueue_py.units import parse_duration, parse_whole_number

Checked = TypeVar("Checked")
Default = TypeVar("Default")


LONGEST_QUOTE = 50
"""Characters of a client's own words in an error."""


class Query:
    """The parameters of a request; nothing is wrong with one until it is asked for."""

    def __init__(self, query_string: bytes) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for part in query_string.split(b"&") if query_string else ():
            name, _, value = part.partition(b"=")
            self._values.setdefault(_decode(name), []).append(value)

    def check_known(self, *known: str) -> None:
        """Refuse every name that is none of these. Raises BadParameter, which names it."""
        for name, values in self._values.items():
            is_nothing = not name and not any(values)  # "a=1&", "&&"
            if is_nothing or name.decode("latin-1") in known:
                continue
            shown = name.decode(errors="replace")[:LONGEST_QUOTE]
            told = f"known are {', '.join(known)}" if known else "this page has no parameters"
            raise BadParameter(f"{shown!a}", f"is an unknown parameter; {told}")

    def text(self, name: str) -> str | None:
        """Return a value, None if there is none. Raises BadParameter."""
        texts = self.texts(name)
        if len(texts) > 1:
            raise BadParameter(name, f"is given {len(texts)} times; give it once")
        return texts[0] if texts else None

    def texts(self, name: str) -> Sequence[str]:
        """Return the values of a name that may stand there many times. Raises BadParameter."""
        values = self._values.get(name.encode(), ())
        try:
            return [_decode(value).decode() for value in values]
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

    def read_all(self, name: str, check: Callable[[str], Checked]) -> Sequence[Checked]:
        """Return what `check` makes of each value of a name. Raises BadParameter."""
        checked = []
        for text in self.texts(name):
            try:
                checked.append(check(text))
            except ValueError as error:
                raise BadParameter(name, str(error)) from None
        return checked

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
