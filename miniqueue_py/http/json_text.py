"""JSON as it is taken and given, wherever it stands."""

import json
from math import isinf
from typing import NoReturn

from miniqueue_py.errors import BadParameter

_BODY = "the body"


def parse(body: bytes) -> object:
    """Return the value; a key twice, or a number that is none, is an error here.

    Raises BadParameter.
    """
    try:
        value: object = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise BadParameter(_BODY, "is not UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"from line {error.lineno}, character {error.colno} on"
        raise BadParameter(_BODY, f"is not JSON {where}" if body else "is empty") from None
    except RecursionError:
        raise BadParameter(_BODY, "is nested too deeply") from None
    except ValueError:  # int() reads no more than 4300 digits
        raise BadParameter(_BODY, "has a number of too many digits in it") from None
    return value


def encode(value: object) -> bytes:
    """Return JSON in UTF-8; half a surrogate pair, which has none, stays an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadParameter(_BODY, "has a key twice; which one counts is anybody's guess")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise BadParameter(_BODY, f"has {name} in it, which is no number in JSON")


def _number(text: str) -> float:
    """Return 3 for 3.0 and 3e0, which JSON does not tell apart."""
    number = float(text)
    if isinf(number):
        raise BadParameter(_BODY, "has a number in it that is too large")
    return int(number) if number.is_integer() else number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_refuse_constant
)
