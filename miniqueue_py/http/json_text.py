"""JSON as it is taken and given, wherever it stands."""

import json
import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from json.encoder import encode_basestring
from math import isinf
from typing import NoReturn

from miniqueue_py.errors import BadParameter, MessageTooLong

MOST_NESTED = 500
"""Arrays and objects within each other, where their text is kept as it is."""

_BODY = "the body"


def parse(body: bytes) -> object:
    """Return the value; a key twice, or a number that is none, is an error here.

    Raises BadParameter.
    """
    try:
        value: object = _STRICT.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise _explain(error, body) from None
    return value


def read_members(body: bytes) -> Mapping[str, str] | None:
    """Return the text of each member of an object, as it stands there; None if it is no object.

    Of the object itself no key may come twice. What its members have in them is
    their own affair: it is JSON, nested no deeper than MOST_NESTED with what is
    around it. Raises BadParameter.
    """
    try:
        text = body.decode()
        start = _skip_blanks(text).end()
        if text.startswith("{", start):
            members = _read_members(text, start + 1)
        else:
            _LENIENT.decode(text)
            members = None
    except (ValueError, RecursionError) as error:
        raise _explain(error, body) from None
    if _is_deep(text):
        raise BadParameter(_BODY, _DEEP)
    return members


def is_json(text: str) -> bool:
    """Tell if a text can stand as a value in what is JSON."""
    try:
        _LENIENT.decode(text)
    except (ValueError, BadParameter, RecursionError):
        return False
    return not _is_deep(text)


_ESCAPED = 6
"""Bytes of JSON that one of a message may take, as in \\u001f."""

_ENVELOPE_BYTES = 1 << 16
"""What stands around a message in a request."""


def longest_request_bytes(longest_message_bytes: int) -> int:
    """Return how long a request may be that has a message of that length in it."""
    return _ESCAPED * longest_message_bytes + _ENVELOPE_BYTES


class BodyTooLong(MessageTooLong):
    """It is longer than any message that could be in it."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = ("the body is too long",)


def encode(value: object) -> bytes:
    """Return JSON in UTF-8; half a surrogate pair, which has none, stays an escape."""
    return _ENCODER.encode(value).encode(errors="backslashreplace")


def encode_text(text: str) -> bytes:
    """Return a string in the same way, several times as fast."""
    return encode_basestring(text).encode(errors="backslashreplace")


def _read_members(text: str, at: int) -> dict[str, str]:
    """Return the text of each, from behind the brace on: nobody else tells where they stand.

    Raises BadParameter and JSONDecodeError.
    """
    texts: dict[str, str] = {}
    at = _skip_blanks(text, at).end()
    while texts or text[at : at + 1] != "}":
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("", text, at)
        key, at = _LENIENT.raw_decode(text, at)
        if key in texts:
            raise BadParameter(_BODY, _TWICE)
        at = _skip_blanks(text, at).end()
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("", text, at)
        start = _skip_blanks(text, at + 1).end()
        _, at = _LENIENT.raw_decode(text, start)
        texts[key] = text[start:at]
        at = _skip_blanks(text, at).end()
        if text[at : at + 1] == "}":
            break
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("", text, at)
        at = _skip_blanks(text, at + 1).end()
    at = _skip_blanks(text, at + 1).end()
    if at < len(text):
        raise json.JSONDecodeError("", text, at)
    return texts


def _explain(error: ValueError | RecursionError, body: bytes) -> BadParameter:
    """Return what is wrong with a body, in words."""
    match error:
        case UnicodeDecodeError():
            return BadParameter(_BODY, "is not UTF-8")
        case json.JSONDecodeError():
            where = f"from line {error.lineno}, character {error.colno} on"
            return BadParameter(_BODY, f"is not JSON {where}" if body else "is empty")
        case RecursionError():
            return BadParameter(_BODY, _DEEP)
        case _:  # int() reads no more than 4300 digits
            return BadParameter(_BODY, "has a number of too many digits in it")


def _is_deep(text: str) -> bool:
    """Tell if JSON is nested deeper than MOST_NESTED.

    How deep Python itself can read depends on who calls; what was taken once has to
    be given back.
    """
    if text.count("[") + text.count("{") <= MOST_NESTED:
        return False
    unescaped = text.replace("\\\\", "").replace('\\"', "")
    outside_strings = "".join(unescaped.split('"')[::2])
    steps = map(_STEPS.__getitem__, _NO_BRACKETS.sub("", outside_strings))
    return max(accumulate(steps)) > MOST_NESTED


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadParameter(_BODY, _TWICE)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise BadParameter(_BODY, f"has {name} in it, which is no number in JSON")


def _number(text: str) -> float:
    """Return 3 for 3.0 and 3e0, which JSON does not tell apart."""
    number = float(text)
    if isinf(number):
        raise BadParameter(_BODY, "has a number in it that is too large")
    return int(number) if number.is_integer() else number


_DEEP = "is nested too deeply"
_TWICE = "has a key twice; which one counts is anybody's guess"
_skip_blanks: Callable[..., re.Match[str]] = re.compile(r"[ \t\r\n]*").match  # type: ignore[assignment]  # none will do
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}

_STRICT = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_refuse_constant
)
"""JSON as pages take it and give it."""

_LENIENT = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)
"""JSON of which the text is kept: what its numbers are worth nobody asks here."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
