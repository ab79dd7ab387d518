"""What a publisher can ask for a message, checked.

A value comes from a query or a header, where it is text, or from a line of
JSON, where it may be a number too; both are read the same way. What cannot be
is a ValueError with the end of a sentence that the option's name begins:
"is not a whole number from 0 to 255".
"""

from miniqueue_py.units import parse_duration, parse_whole_number

LONGEST_WAIT_SECONDS = 2**31 - 1
"""Of a delay or a ttl: 68 years."""

LARGEST_PRIORITY = 255

LONGEST_KEY_BYTES = 256
"""Of an idempotency key, as UTF-8."""


def check_delay(value: object) -> float:
    """Return the seconds of a number of seconds (JSON), or of a duration as text (both).

    Raises ValueError.
    """
    seconds = parse_duration(value) if isinstance(value, str) else value
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        problem = "is not a number of seconds, nor a duration such as 30s"
        raise ValueError(problem)  # noqa: TRY004  as all that is refused
    if not 0 <= seconds <= LONGEST_WAIT_SECONDS:
        raise ValueError(f"is not from 0 to {LONGEST_WAIT_SECONDS} seconds")
    return abs(float(seconds))  # -0.0 is in the range


def check_ttl(value: object) -> float:
    """Return the seconds, as `check_delay` does; 0 would be over before anybody saw it.

    Raises ValueError.
    """
    seconds = check_delay(value)
    if not seconds:
        raise ValueError("is 0, and has to be longer: leave it out for a message that stays")
    return seconds


def check_priority(value: object) -> int:
    """Return the number of a whole number (JSON), or of its digits as text (both).

    Raises ValueError.
    """
    number = parse_whole_number(value) if isinstance(value, str) else value
    if (
        not isinstance(number, int)
        or isinstance(number, bool)
        or not 0 <= number <= LARGEST_PRIORITY
    ):
        raise ValueError(f"is not a whole number from 0 to {LARGEST_PRIORITY}")
    return number


def check_key(value: object) -> str:
    """Return an idempotency key: 1 to 256 bytes of UTF-8, whatever they say.

    Raises ValueError.
    """
    if not isinstance(value, str):
        raise ValueError("is not a string")  # noqa: TRY004  as all that is refused
    try:
        length = len(value.encode())
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it, UTF-8 cannot
        raise ValueError("is not UTF-8") from None
    if not 1 <= length <= LONGEST_KEY_BYTES:
        raise ValueError(f"is {length} bytes long, and can have 1 to {LONGEST_KEY_BYTES}")
    return value
