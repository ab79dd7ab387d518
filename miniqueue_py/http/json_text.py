"""JSON as it is taken and given, wherever it stands."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from math import isinf
from typing import NoReturn

from miniqueue_py.errors import BadParameter

MOST_NESTED = 500
"""Arrays and objects within each other, where their text is kept as it is."""

_BODY = "the body"


def parse(body: bytes) -> object:
    """Return the value; a key twice, or a number that is none, is an error here.

    Raises BadParameter.
    """
    with _explaining(body):
        value: object = _STRICT.decode(body.decode())
    return value


def read_members(body: bytes) -> Mapping[str, str] | None:
    """Return the text of each member of an object, as it stands there; None if it is no object.

    Of the object itself no key may come twice. What its members have in them is
    their own affair: it is JSON, nested no deeper than MOST_NESTED with what is
    around it. Raises BadParameter.
    """
    with _explaining(body):
        text = body.decode()
        start = _skip_blanks(text, 0)
        is_object = text.startswith("{", start)
        if not is_object:
            _LENIENT.decode(text)
        members = _Members(text, start).read() if is_object else None
        if _is_deep(text):
            raise RecursionError
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


def encode(value: object) -> bytes:
    """Return JSON in UTF-8; half a surrogate pair, which has none, stays an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")


class _Members:
    """Reads an object member by member, since nobody else tells where each stands."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._at = start

    def read(self) -> dict[str, str]:
        """Return the text of each. Raises BadParameter and JSONDecodeError."""
        texts: dict[str, str] = {}
        self._pass("{")
        if not self._has("}"):
            self._read_one(texts)
            while not self._has("}"):
                self._pass(",")
                self._read_one(texts)
        self._pass("}")
        if self._at < len(self._text):
            self._fail()
        return texts

    def _read_one(self, texts: dict[str, str]) -> None:
        if not self._has('"'):
            self._fail()
        key, self._at = _LENIENT.raw_decode(self._text, self._at)
        if key in texts:
            raise BadParameter(_BODY, _TWICE)
        self._skip_blanks()
        self._pass(":")
        start = self._at
        _, self._at = _LENIENT.raw_decode(self._text, start)
        texts[key] = self._text[start : self._at]
        self._skip_blanks()

    def _has(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def _pass(self, sign: str) -> None:
        if not self._has(sign):
            self._fail()
        self._at += 1
        self._skip_blanks()

    def _skip_blanks(self) -> None:
        self._at = _skip_blanks(self._text, self._at)

    def _fail(self) -> NoReturn:
        raise json.JSONDecodeError("", self._text, self._at)


@contextmanager
def _explaining(body: bytes) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        raise BadParameter(_BODY, "is not UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"from line {error.lineno}, character {error.colno} on"
        raise BadParameter(_BODY, f"is not JSON {where}" if body else "is empty") from None
    except RecursionError:
        raise BadParameter(_BODY, "is nested too deeply") from None
    except ValueError:  # int() reads no more than 4300 digits
        raise BadParameter(_BODY, "has a number of too many digits in it") from None


def _skip_blanks(text: str, start: int) -> int:
    blanks = _BLANKS.match(text, start)
    return blanks.end() if blanks else start


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


_TWICE = "has a key twice; which one counts is anybody's guess"
_BLANKS = re.compile(r"[ \t\r\n]+")
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}

_STRICT = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_refuse_constant
)
"""JSON as pages take it and give it."""

_LENIENT = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse_constant)
"""JSON of which the text is kept: what its numbers are worth nobody asks here."""
