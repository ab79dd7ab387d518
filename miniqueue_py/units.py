"""Durations, sizes and numbers, as people write them.

Durations are Go's, since MiniQueue's users know them: `1s`, `500ms`, `1m30s`,
`1.5h`. Sizes and counts are plain numbers, or end in K, M or G.

Text that cannot be read raises ValueError with the end of a sentence that the
text begins: "is not a duration such as 1s, 500ms or 1m30s".
"""

import re

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # the micro sign, U+00B5
    "\u03bcs": 10**3,  # the Greek mu: Go takes both
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION_PART = re.compile(rf"([0-9]{{0,12}}\.?[0-9]{{0,12}})({'|'.join(_NANOSECONDS)})")
_DURATION_NUMBER = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_AMOUNT = re.compile(r"([0-9]{1,18})([kmg]?)", re.IGNORECASE)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}


def parse_duration(text: str) -> float:
    """Seconds; exact to the nanosecond, as Go's are."""
    if text == "0":
        return 0.0
    nanoseconds, position = 0, 0
    while part := _DURATION_PART.match(text, position):
        number, unit = part.groups()
        if not _DURATION_NUMBER.fullmatch(number):
            break
        nanoseconds += round(float(number) * _NANOSECONDS[unit])
        position = part.end()
    if position == 0 or position != len(text):
        raise ValueError("is not a duration such as 1s, 500ms or 1m30s")
    return nanoseconds / 10**9


def parse_size(text: str) -> int:
    """Bytes; K is 1024, and a B at the end changes nothing."""
    digits = text[:-1] if text[-1:] in {"b", "B"} else text
    return _parse_amount(digits, 1024, "is not a size such as 65536, 512K or 1M")


def parse_count(text: str) -> int:
    """How many; K is 1000."""
    return _parse_amount(text, 1000, "is not a count such as 500, 10K or 1M")


def parse_whole_number(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError("is not a whole number")
    return int(text)


def _parse_amount(text: str, base: int, problem: str) -> int:
    amount = _AMOUNT.fullmatch(text)
    if amount is None:
        raise ValueError(problem)
    number, suffix = amount.groups()
    return int(number) * int(base ** _POWERS[suffix.lower()])
