"""Which dead letters a redrive asks for, as a query says it."""

from collections.abc import Sequence
from operator import index
from typing import Any
from urllib.parse import urlencode

from miniqueue_py.client.terms import number_between
from miniqueue_py.errors import BadParameter
from miniqueue_py.protocol.commands import LONGEST_DELAY_SECONDS


def redrive_query(
    most: int | None,
    ids: Sequence[str] | None,
    reason: str | None,
    older_than: float | None,
    to: str | None,
) -> str:
    """Return what stands behind the path. Raises BadParameter."""
    if isinstance(ids, str):
        raise BadParameter("ids", f"is {ids!r}, and has to be a list of message ids")
    if ids is not None and not ids:
        raise BadParameter("ids", "names none; leave it out to send all")
    age = number_between("older_than", older_than, 0, LONGEST_DELAY_SECONDS)
    stated: dict[str, Any] = {
        "id": ids,
        "reason": reason,
        "olderThan": None if age is None else f"{age:.3f}s",
        "max": None if most is None else count_of(most),
        "to": to,
    }
    said = {name: value for name, value in stated.items() if value is not None}
    return "?" + urlencode(said, doseq=True) if said else ""


def count_of(most: int, largest: int | None = None) -> int:
    """Return a number of messages, at least one. Raises BadParameter."""
    try:
        number = index(most)
    except TypeError as error:
        raise BadParameter("most", f"is {most!r}, which is no whole number") from error
    if number < 1:
        raise BadParameter("most", f"is {number}, and has to be 1 or more")
    if largest is not None and number > largest:
        raise BadParameter("most", f"is {number}, and can be {largest} at most")
    return number
