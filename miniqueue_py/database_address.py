"""What -db says: which engine, and where."""

import re
from pathlib import Path
from typing import NamedTuple

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""Of two letters at least: one would be a drive's."""

OF_DIRECTORIES = ("leveldb", "rocksdb")


class Address(NamedTuple):
    """An engine, and its directory."""

    scheme: str | None
    """None for a directory that is opened by what is in it."""
    directory: Path | None
    """None where nothing is kept."""


def parse_address(given: str) -> Address:
    """Read what -db says. Raises ValueError, with what is wrong."""
    if given == "memory:":
        return Address("memory", None)
    scheme, rest = None, given
    if match := _SCHEME.match(given):
        scheme, rest = match[1].lower(), given[match.end() :]
        if scheme == "memory":
            raise ValueError("keeps nothing anywhere: `memory:` is all of it")
        if scheme not in OF_DIRECTORIES:
            known = ", ".join(f"{each}:" for each in (*OF_DIRECTORIES, "memory"))
            raise ValueError(f"begins with {match[0]!r}, which is none of {known}")
    if not rest.strip():
        raise ValueError("names no directory")
    return Address(scheme, Path(rest))
