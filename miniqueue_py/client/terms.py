"""What a publish may say beside its body, checked before it is sent."""

import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from miniqueue_py.errors import BadParameter, MessageTooLong
from miniqueue_py.protocol.commands import LONGEST_DELAY_SECONDS

HIGHEST_PRIORITY = 255
SHORTEST_TTL = 0.001
"""Seconds, as small as the client says them."""

LONGEST_KEY_BYTES = 256


class Terms(NamedTuple):
    """Of one message, or of all that one publisher sends. None is what the broker does anyway."""

    delay: float | None = None
    """Seconds until it may be delivered."""
    ttl: float | None = None
    """Seconds until it is gone, if nobody acknowledged it."""
    priority: int | None = None
    """0 to 255; the higher comes first."""
    key: str | None = None
    """Of messages with the same key the broker stores one."""

    def check(self) -> "Terms":
        """Return them as plain numbers. Raises BadParameter."""
        delay = number_between("delay", self.delay, 0, LONGEST_DELAY_SECONDS)
        ttl = number_between("ttl", self.ttl, SHORTEST_TTL, LONGEST_DELAY_SECONDS)
        priority = number_between("priority", self.priority, 0, HIGHEST_PRIORITY)
        if priority is not None and not priority.is_integer():
            raise BadParameter("priority", f"is {self.priority}, and has to be whole")
        if self.key is not None:
            check_header("key", self.key, LONGEST_KEY_BYTES)
        return Terms(delay, ttl, None if priority is None else int(priority), self.key)

    @property
    def query(self) -> str:
        """Return them as they stand behind a path; the key travels in a header."""
        stated: dict[str, Any] = {}
        if self.delay:
            stated["delay"] = f"{self.delay:.3f}s"
        if self.ttl is not None:
            stated["ttl"] = f"{self.ttl:.3f}s"
        if self.priority:
            stated["priority"] = self.priority
        return "?" + urlencode(stated) if stated else ""

    def as_json(self) -> Mapping[str, Any]:
        """Return them as they stand in a line of a batch."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def number_between(name: str, value: float | None, least: float, most: float) -> float | None:
    """Return it as a float: whatever counts as a number was not made for JSON."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BadParameter(name, f"is {value!r}, which is no number") from error
    if not least <= number <= most:
        raise BadParameter(name, f"is {value}, not {least:g} to {most}")
    return number


def as_body(body: bytes | str, longest: int) -> bytes:
    """Return a body as bytes; text becomes UTF-8. Raises MessageTooLong and TypeError."""
    if isinstance(body, str):
        try:
            data = body.encode()
        except UnicodeEncodeError:
            raise BadParameter("body", "is not UTF-8: it holds half a surrogate pair") from None
    elif isinstance(body, bytes | bytearray | memoryview):
        data = bytes(body)
    else:
        raise TypeError(f"a body is bytes or str, and {type(body).__name__} is neither")
    if len(data) > longest:
        raise MessageTooLong(longest)
    return data


def check_header(name: str, value: str, longest: int = 8192) -> str:
    """Return what travels as a header's value, and arrives as it is. Raises BadParameter.

    A control character would break the connection for everybody on it, and white
    space at the ends would be lost.
    """
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadParameter(name, "is not UTF-8") from None
    if not 1 <= size <= longest:
        raise BadParameter(name, f"is {size} bytes long, not 1 to {longest}")
    if value != value.strip() or any(unicodedata.category(each) == "Cc" for each in value):
        raise BadParameter(name, "has control characters, or white space at its ends")
    return value
