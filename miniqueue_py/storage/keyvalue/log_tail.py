"""A log that ends in zeros: a power cut leaves that where a size was written before its data.

LevelDB and RocksDB, whose logs have one form, take a record that is cut off for
the end of the log, and one whose body is zeros for damage. Where nothing but
zeros follows the first bad record, nothing was lost that is not lost anyhow:
the log is kept aside whole, and cut before that record. Anything else is for a
person.
"""

import os
import shutil
from array import array
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from miniqueue_py.storage.keyvalue.manifest import Manifest, logs_in

LOST = "lost"
"""The folder, in the database's, of what was taken out of it."""

_BLOCK_BYTES = 32 << 10
_HEADER = Struct("<IHB")
_ZERO, _FULL, _FIRST, _MIDDLE, _LAST = range(5)


class Cut(NamedTuple):
    """Where a log is to be cut, and how long it is."""

    at: int
    size: int


def cut_zero_tail(path: Path, manifest: Manifest) -> str | None:
    """Cut the newest log if it ends in zeros; say what was done, or None. Raises OSError.

    Nobody else may have the database open.
    """
    for number, log in reversed(logs_in(path).items()):
        data = log.read_bytes()
        if not data.strip(b"\x00"):
            continue  # just begun: those before it are the newest that hold anything
        cut = find_zero_tail(data)
        if cut is None or number < manifest.first_log:
            return None
        kept = _keep_aside(log)
        with log.open("r+b") as opened:
            opened.truncate(cut.at)
            os.fsync(opened.fileno())
        return (
            f"{log.name} ended in zeros, as after a power cut: it was cut to {cut.at} of "
            f"{cut.size} bytes, and is kept whole as {kept.relative_to(path)}"
        )
    return None


def find_zero_tail(data: bytes) -> Cut | None:
    """Return where to cut a log whose first bad record is followed by nothing but zeros."""
    bad = _first_bad(data)
    if bad is None:
        return None
    record, at, end = bad
    written = len(data.rstrip(b"\x00"))
    is_tail = written <= at + _HEADER.size or written < end
    return Cut(record, len(data)) if is_tail else None


def log_with_a_hole(path: Path, manifest: Manifest) -> str | None:
    """Name a log with zeros where a record should begin, and something behind them.

    The libraries pass over the rest of such a block in silence, and read on.
    """
    for number, at in logs_in(path).items():
        if manifest.needs_log(number) and _has_a_hole(at.read_bytes()):
            return at.name
    return None


def _has_a_hole(data: bytes) -> bool:
    at = 0
    while at + _HEADER.size <= len(data):
        left = _BLOCK_BYTES - at % _BLOCK_BYTES
        if left < _HEADER.size:
            at += left
            continue
        _, size, kind = _HEADER.unpack_from(data, at)
        if kind == _ZERO and size == 0:
            return bool(data[at:].strip(b"\x00"))
        at += _HEADER.size + size
    return False


def keep_what_verifies(data: bytes) -> bytes | None:
    """Return a log up to its first bad record; None if there is none."""
    bad = _first_bad(data)
    return None if bad is None else data[: bad[0]]


def _first_bad(data: bytes) -> tuple[int, int, int] | None:
    """Return where a record begins that is bad, and where its bad part does, and ends."""
    record = at = 0
    is_inside = False
    """In a record that goes on in the next block."""
    while at + _HEADER.size <= len(data):
        left = _BLOCK_BYTES - at % _BLOCK_BYTES
        if left < _HEADER.size:
            at += left
            continue
        checksum, size, kind = _HEADER.unpack_from(data, at)
        end = at + _HEADER.size + size
        if not is_inside:
            record = at
        if size > left - _HEADER.size:
            return record, at, at
        if end > len(data):
            return None  # cut off: LevelDB reads up to there
        if kind == _ZERO or checksum != _checksum(data[at + 6 : end]):
            return record, at, end
        is_inside = kind in {_FIRST, _MIDDLE}
        at = end
    return None


def _keep_aside(log: Path) -> Path:
    folder = log.parent / LOST
    folder.mkdir(exist_ok=True)
    kept = folder / log.name
    number = 0
    while kept.exists():
        number += 1
        kept = folder / f"{log.name}.{number}"
    shutil.copyfile(log, kept)
    for each in (kept, folder, log.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return kept


def _make_table() -> "array[int]":
    table = array("L")
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _make_table()


def _checksum(data: bytes) -> int:
    """Return the CRC-32C of some bytes, masked as LevelDB stores it."""
    table, value = _TABLE, 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF
