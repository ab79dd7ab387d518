"""The two bodies of a batch: lines of text, and lines of JSON.

Both readers take the body in whatever chunks it comes, and say of a line that
cannot be a message which one it was; they read nothing after it. How a reader
cuts a chunk is what streamed publishing costs: nothing is done for each line
of text, and an unfinished line is copied once when it ends.
"""

from binascii import a2b_base64
from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple, NoReturn, TypeVar

from miniqueue_py.errors import MessageTooLong
from miniqueue_py.protocol.options import check_delay, check_key, check_priority, check_ttl

ROOM_FOR_THE_REST = 1 << 16
"""Bytes of a line of JSON beside its message: keys, options and what is ignored."""

Checked = TypeVar("Checked")

_SUCH_AS = 'send one object a line, such as {"msg":"aGVsbG8="}'


class BadLine(NamedTuple):
    """What is wrong with a line, and which line, counted from 1."""

    error: str
    line: int


class BatchEntry(NamedTuple):
    """A message and what its publisher asks for it; None is what it does not say."""

    body: bytes
    delay_seconds: float | None = None
    priority: int | None = None
    ttl_seconds: float | None = None
    key: str | None = None
    """The idempotency key."""
    line: int = 0
    """Where it stands in its batch, counted from 1; blank lines count."""


class TextLines:
    """Every line is a message: the bytes before the line feed, a CR among them, or none."""

    def __init__(self, longest: int) -> None:
        self.problem: BadLine | None = None
        self._longest = longest
        self._rest = bytearray()
        """The start of a line that has not ended; growing it copies nothing twice."""
        self._count = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` ends; after a `problem` there are no more."""
        if self.problem is not None:
            return []
        could_be_too_long = len(self._rest) + len(data) > self._longest
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._rest:
            lines[0] = b"".join((self._rest, lines[0]))
            self._rest.clear()
        self._rest += rest
        if could_be_too_long:
            self._find_too_long(lines)
        self._count += len(lines)
        return lines

    def feed_end(self) -> list[bytes]:
        """Say that the body is over, and whole: a last line needs no line feed."""
        lines = [bytes(self._rest)] if self._rest else []
        self._rest.clear()
        return lines

    def _find_too_long(self, lines: list[bytes]) -> None:
        """Cut `lines` before the first that is too long, the unfinished one being the last."""
        if max(map(len, lines), default=0) > self._longest:
            del lines[next(i for i, line in enumerate(lines) if len(line) > self._longest) :]
        elif len(self._rest) <= self._longest:
            return
        self._rest.clear()
        self.problem = BadLine(str(MessageTooLong(self._longest)), self._count + len(lines) + 1)


class NdjsonLines:
    """Every line is a JSON object with `msg`, or blank; a delivery line is one.

    Of a delivery line the message and its priority count: whatever else
    happened to it happened to another message.
    """

    def __init__(self, longest_message: int) -> None:
        self.problem: BadLine | None = None
        self._longest_message = longest_message
        longest = (longest_message + 2) // 3 * 4 + ROOM_FOR_THE_REST
        self._lines = TextLines(longest)
        self._too_long = (
            f"the line is longer than {longest} bytes, which is room enough for a message of "
            f"{longest_message} bytes, the broker's -max-message"
        )
        self._count = 0

    def feed(self, data: bytes) -> list[BatchEntry]:
        """Return the entries that `data` ends; after a `problem` there are no more."""
        if self.problem is not None:
            return []
        return self._parse(self._lines.feed(data))

    def feed_end(self) -> list[BatchEntry]:
        """Say that the body is over, and whole: a last line needs no line feed."""
        return [] if self.problem is not None else self._parse(self._lines.feed_end())

    def _parse(self, lines: list[bytes]) -> list[BatchEntry]:
        entries: list[BatchEntry] = []
        for line in lines:
            self._count += 1
            try:
                if line and not line.isspace():
                    entries.append(parse_entry(line, self._count, self._longest_message))
            except ValueError as error:
                self.problem = BadLine(str(error), self._count)
                return entries
        if self._lines.problem is not None:
            self.problem = BadLine(self._too_long, self._lines.problem.line)
        return entries


def parse_entry(line: bytes, number: int, longest_message: int) -> BatchEntry:
    """Return what one line of JSON publishes. Raises ValueError with a sentence."""
    value = _load(line)
    if not isinstance(value, dict):
        raise ValueError(f"the line is not a JSON object; {_SUCH_AS}")  # noqa: TRY004
    body = _body(value.get("msg"))
    if len(body) > longest_message:
        raise ValueError(str(MessageTooLong(longest_message)))
    if len(value) == 1:
        return BatchEntry(body, line=number)
    return BatchEntry(
        body,
        _option(value, "delay", check_delay),
        _option(value, "priority", check_priority),
        _option(value, "ttl", check_ttl),
        _option(value, "key", check_key),
        number,
    )


def _load(line: bytes) -> object:
    try:
        return _decode(line.decode())
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8; binary messages are sent as base64") from None
    except JSONDecodeError as error:
        where = f"from character {error.pos + 1} on"
        raise ValueError(f"the line is not JSON {where}; {_SUCH_AS}") from None
    except RecursionError:
        raise ValueError(f"the line is nested too deeply; {_SUCH_AS}") from None
    except _NotPlain:
        raise
    except ValueError:  # int() reads no more than 4300 digits
        raise ValueError("the line has a number of too many digits in it") from None


def _body(value: object) -> bytes:
    if value is None:
        raise ValueError(f"msg is missing; {_SUCH_AS}")
    if not isinstance(value, str):
        raise ValueError(f"msg is not a string; {_SUCH_AS}")  # noqa: TRY004  as all refusals
    try:
        return a2b_base64(value, strict_mode=True)
    except ValueError:
        raise ValueError("msg is not base64 with its padding, such as aGVsbG8=") from None


def _option(
    value: dict[str, object], name: str, check: Callable[[object], Checked]
) -> Checked | None:
    option = value.get(name)
    if option is None:
        return None
    try:
        return check(option)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


class _NotPlain(ValueError):
    """JSON as Python takes it, and others do not."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _NotPlain("the line has a key twice; which one counts is anybody's guess")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _NotPlain(f"the line has {name} in it, which is no number in JSON")


_decode: Callable[[str], object] = JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant
).decode
