"""The list of files that a database keeps of itself, in the form that both libraries write.

A manifest is a log: blocks of 32 KiB with records, each of them one change of
the list. Checksums are left to the library, which opens it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct

from miniqueue_py.errors import StorageCorrupt

_LOG = re.compile(r"(\d+)\.log")
_BLOCK_BYTES = 32 << 10
_HEADER = Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = range(1, 5)


@dataclass(slots=True)
class Manifest:
    """The list as it is after all changes."""

    name: str = ""
    first_log: int = 0
    """Logs with lower numbers are in tables already."""
    previous_log: int = 0
    goes_on_in_any_log: bool = False
    """Some log of at least that number has to be there, and not just that one."""
    tables: dict[int, int] = field(default_factory=dict)
    """The size of each table, by its number."""

    def needs_log(self, number: int) -> bool:
        return number >= self.first_log or number == self.previous_log

    def missing_log(self, directory: Path) -> str | None:
        """Name the log that the database goes on in, if it is not there. Raises OSError.

        Its name is on the disk before the list tells of it, so no crash takes it away. A new
        or repaired database names none.
        """
        if self.first_log == 0 and not self.goes_on_in_any_log:
            return None
        if self.goes_on_in_any_log:
            is_there = any(self.needs_log(number) for number in logs_in(directory))
            return None if is_there else "the newest log"
        name = f"{self.first_log:06}.log"
        return None if (directory / name).exists() else name


def logs_in(directory: Path) -> dict[int, Path]:
    """Return the logs of a database by their numbers, in order. Raises OSError."""
    named = ((_LOG.fullmatch(at.name), at) for at in directory.iterdir())
    return dict(sorted((int(match[1]), at) for match, at in named if match))


def read_manifest(directory: Path, apply: Callable[[Manifest, "Fields"], None]) -> Manifest:
    """Return the list that CURRENT names, by what a library makes of each change.

    Raises StorageCorrupt, and OSError.
    """
    name = (directory / "CURRENT").read_text(errors="replace").strip()
    if not re.fullmatch(r"MANIFEST-\d+", name):
        raise StorageCorrupt("CURRENT names no manifest")
    try:
        data = (directory / name).read_bytes()
    except FileNotFoundError:
        raise StorageCorrupt(f"{name} is missing") from None
    changes = _records(data)
    if not changes:
        raise StorageCorrupt(f"{name} has nothing in it that can be read")
    manifest = Manifest(name)
    for change in changes:
        try:
            apply(manifest, Fields(change))
        except IndexError:
            raise StorageCorrupt(f"{name} has a record that makes no sense") from None
    return manifest


def _records(data: bytes) -> list[bytes]:
    """Return whole records; one that a crash cut off at the end is none."""
    records: list[bytes] = []
    parts: list[bytes] = []
    at = 0
    while at + _HEADER.size <= len(data):
        left_in_block = _BLOCK_BYTES - at % _BLOCK_BYTES
        if left_in_block < _HEADER.size:
            at += left_in_block
            continue
        _, size, kind = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if at + size > len(data):
            break
        if kind in {_FULL, _FIRST}:
            parts.clear()
        if kind in {_FULL, _FIRST, _MIDDLE, _LAST}:
            parts.append(data[at : at + size])
        if kind in {_FULL, _LAST}:
            records.append(b"".join(parts))
        at += size
    return records


class Fields:
    """Reads one change from left to right. Raises IndexError at its end."""

    def __init__(self, change: bytes) -> None:
        self._change = change
        self._at = 0

    @property
    def has_more(self) -> bool:
        return self._at < len(self._change)

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self._change[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  the last byte of a number has no high bit
                return value
            shift += 7

    def skip_text(self) -> None:
        size = self.number()
        self._at += size
        if self._at > len(self._change):
            raise IndexError(size)
