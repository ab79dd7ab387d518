"""Which files a database consists of: LevelDB's own list, read without LevelDB.

Opening a database writes to it. Whoever only looks must know before which
tables are its own, since others may lie beside them after a crash, and which
logs are still to be read.

A manifest is a LevelDB log: blocks of 32 KiB with records, each of them one
change of the list. Checksums are left to LevelDB, which opens the copy.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from struct import Struct

from miniqueue_py.errors import StorageCorrupt

_BLOCK_BYTES = 32 << 10
_HEADER = Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = range(1, 5)


class _Tag(IntEnum):
    """What a field of a change is."""

    COMPARATOR = 1
    FIRST_LOG = 2
    NEXT_FILE = 3
    LAST_SEQUENCE = 4
    COMPACTED_UNTIL = 5
    DELETED_TABLE = 6
    NEW_TABLE = 7
    PREVIOUS_LOG = 9


@dataclass(slots=True)
class Manifest:
    """The list as it is after all changes."""

    name: str = ""
    first_log: int = 0
    """Logs with lower numbers are in tables already."""
    previous_log: int = 0
    tables: dict[int, int] = field(default_factory=dict)
    """The size of each table, by its number."""

    def needs_log(self, number: int) -> bool:
        return number >= self.first_log or number == self.previous_log


def missing_log(directory: Path, manifest: Manifest) -> str | None:
    """Name the log that a database goes on in, if it is not there.

    Its name is on the disk before the manifest tells of it, so no crash takes it away. A new
    or repaired database names none.
    """
    name = f"{manifest.first_log:06}.log"
    is_missing = manifest.first_log > 0 and not (directory / name).exists()
    return name if is_missing else None


def read_manifest(directory: Path) -> Manifest:
    """Read what CURRENT names. Raises StorageCorrupt, and OSError."""
    name = (directory / "CURRENT").read_text(errors="replace").strip()
    if not name.startswith("MANIFEST-") or "/" in name:
        raise StorageCorrupt("CURRENT names no manifest")
    manifest = Manifest(name)
    try:
        data = (directory / name).read_bytes()
    except FileNotFoundError:
        raise StorageCorrupt(f"{name} is missing") from None
    changes = _records(data)
    if not changes:
        raise StorageCorrupt(f"{name} has nothing in it that can be read")
    for change in changes:
        try:
            _apply(manifest, change)
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


def _apply(manifest: Manifest, change: bytes) -> None:
    fields = _Fields(change)
    while fields.has_more:
        match fields.number():
            case _Tag.COMPARATOR:
                fields.skip_text()
            case _Tag.FIRST_LOG:
                manifest.first_log = fields.number()
            case _Tag.NEXT_FILE | _Tag.LAST_SEQUENCE:
                fields.number()
            case _Tag.COMPACTED_UNTIL:
                fields.number()
                fields.skip_text()
            case _Tag.DELETED_TABLE:
                fields.number()
                manifest.tables.pop(fields.number(), None)
            case _Tag.NEW_TABLE:
                fields.number()
                number = fields.number()
                manifest.tables[number] = fields.number()
                fields.skip_text()
                fields.skip_text()
            case _Tag.PREVIOUS_LOG:
                manifest.previous_log = fields.number()
            case unknown:
                raise IndexError(unknown)


class _Fields:
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
