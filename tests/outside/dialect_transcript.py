"""A transcript: requests and answers as text, and what is another each time.

    > POST /enqueue                     a request: its method and path,
    > content-type: text/plain          its headers,
    >                                   and behind an empty line
    > hello                             its body

    < 202                               the answer to it: all of its headers, but
                                        for those that tell nothing of a dialect

Several things happen at once to those who have a name before the arrow. A
`WEBSOCKET` has one always; its lines are messages, and the words in capitals
are CLOSE, CLOSED with its code, and REFUSED with a status.

JSON counts without the white space between its parts; their order counts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

UNTOLD = frozenset({"date", "server", "content-length", "connection", "transfer-encoding"})
"""What a server does on its own; the rest of a head is the dialect's."""

_LINE = re.compile(r"(?:(?P<name>[a-z]+) )?(?P<arrow>[<>])(?: (?P<text>.*))?$")
_STAND_IN = re.compile(r"<([^<>]+)>")
_TIMES = re.compile(r"<(\d+) times (.)>")
_HEX = re.compile(r"<hex ([0-9a-f ]+)>")
_SPACE_IN_JSON = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')
_FROM_NOW = re.compile(r"(\d+) s from now")
_INSTANT = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z)"
_KINDS = {
    "count": r"\d+",
    "counts": r"\d+(?:,\d+)*",
    "any": r".+",
    "page": r"(?s:<!doctype html>.+</html>\s*)",
    "number": r"\d+(?:\.\d+)?",
    "task_id": r"1[0-9]{18}",
}
_LATE = timedelta(seconds=9)
"""By which an instant may differ: of a busy machine, and less than the ten it is about."""


@dataclass(frozen=True)
class Block:
    """What one side says: to be done, or to be expected."""

    where: str
    name: str
    is_request: bool
    lines: Sequence[str]

    @property
    def head(self) -> str:
        return self.lines[0]

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [_header(line) for line in self.lines[1 : self._head_ends]]

    @property
    def text(self) -> str:
        return "\n".join(self.lines[self._head_ends + 1 :])

    @property
    def body(self) -> bytes:
        """The bytes of a request, with what is too long or too odd to be written out."""
        return body_of(self.text)

    @property
    def _head_ends(self) -> int:
        return self.lines.index("") if "" in self.lines else len(self.lines)


@dataclass(frozen=True)
class Reply:
    """What somebody else's client says that it was answered."""

    version: str
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes = field(repr=False)

    def __str__(self) -> str:
        head = "".join(f"\n{name}: {value}" for name, value in self.told_headers)
        return f"{self.status}{head}\n\n{self.body[:2000].decode(errors='backslashreplace')}"

    @property
    def told_headers(self) -> list[tuple[str, str]]:
        told = ((name, text) for name, text in self.headers if name not in UNTOLD)
        return sorted((name, _in_order(text) if name == "allow" else text) for name, text in told)


def blocks(file: Path) -> Iterator[Block]:
    """All of a transcript, in its order."""
    lines: list[str] = []
    speaker: tuple[str, str] | None = None
    begins = 0
    for number, line in enumerate([*file.read_text().splitlines(), ""], 1):
        found = _LINE.match(line)
        assert found or not line or line.startswith("#"), f"{file.name}:{number}: {line}"
        now = (found["name"] or "", found["arrow"]) if found else None
        if speaker and now != speaker:
            yield Block(f"{file.name}:{begins}", speaker[0], speaker[1] == ">", lines)
            lines = []
        if found:
            begins = begins if lines else number
            lines.append(found["text"] or "")
        speaker = now


def body_of(text: str) -> bytes:
    """The bytes that a text stands for."""
    if found := _HEX.fullmatch(text):
        return bytes.fromhex(found[1])
    return _TIMES.sub(lambda found: int(found[1]) * found[2], text).encode()


def difference(told: Block, reply: Reply) -> str | None:
    """How an answer differs from what is told; None if it does not."""
    is_json = ("content-type", "application/json") in told.headers
    is_same = (
        told.head == str(reply.status)
        and _are_as_told(told.headers, reply.told_headers)
        and is_as_told(told.text, reply.body, is_json=is_json)
    )
    if is_same:
        return None
    return "\n".join([f"{told.where} tells", *told.lines, "", "and the answer is", f"{reply}"])


def _are_as_told(told: Sequence[tuple[str, str]], said: Sequence[tuple[str, str]]) -> bool:
    pairs = zip(sorted(told), said, strict=False)
    return len(told) == len(said) and all(
        name == its_name and is_as_told(text, its_text.encode())
        for (name, text), (its_name, its_text) in pairs
    )


def is_as_told(told: str, said: bytes, *, is_json: bool = False) -> bool:
    """Whether a body is what the transcript says, as far as that can be known before."""
    if _HEX.fullmatch(told) or _TIMES.search(told):
        return said == body_of(told)
    try:
        text = said.decode()
    except UnicodeDecodeError:
        return False
    if is_json:
        told, text = _dense(told), _dense(text)
    pieces = _STAND_IN.split(told)
    kinds = pieces[1::2]
    pattern = "".join(
        (_kind(piece) if at % 2 else re.escape(piece)) for at, piece in enumerate(pieces)
    )
    found = re.fullmatch(pattern, text)
    if found is None:
        return False
    waits = [int(wait[1]) for kind in kinds if (wait := _FROM_NOW.fullmatch(kind))]
    return all(_is_in(instant, wait) for instant, wait in zip(found.groups(), waits, strict=True))


def _kind(name: str) -> str:
    return _INSTANT if _FROM_NOW.fullmatch(name) else _KINDS.get(name, re.escape(f"<{name}>"))


def _is_in(instant: str, seconds: int) -> bool:
    late = datetime.now(UTC) + timedelta(seconds=seconds) - datetime.fromisoformat(instant)
    return timedelta(0) <= late < _LATE


def _in_order(methods: str) -> str:
    """Which ones are allowed counts, not in which order."""
    return ", ".join(sorted(methods.split(", ")))


def _dense(text: str) -> str:
    return _SPACE_IN_JSON.sub(lambda found: found[1] or "", text)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    assert colon, line
    return name, value.strip()
