"""What -db says: which engine, and where."""

import re
from pathlib import Path
from typing import NamedTuple

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""Of two letters at least: one would be a drive's."""

OF_DIRECTORIES = ("leveldb", "rocksdb")

OF_SERVERS = ("postgresql",)
"""Their URLs name a server, as in postgresql://HOST/DATABASE."""


class Address(NamedTuple):
    """An engine, and its directory."""

    scheme: str | None
    """None for a directory that is opened by what is in it."""
    directory: Path | None
    """None where nothing is kept, or not on this machine's disk."""


def without_password(given: str) -> str:
    """Return a URL as it may be shown: without who asks, and what follows a "?"."""
    if "://" not in given:
        return given
    scheme, _, rest = given.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


def parse_address(given: str) -> Address:
    """Read what -db says. Raises ValueError, with what is wrong."""
    if given == "memory:":
        return Address("memory", None)
    scheme, rest = None, given
    if match := _SCHEME.match(given):
        scheme, rest = match[1].lower(), given[match.end() :]
        if scheme == "memory":
            raise ValueError("keeps nothing anywhere: `memory:` is all of it")
        if scheme in OF_SERVERS and rest.startswith("//"):
            return Address(scheme, None)
        if scheme not in OF_DIRECTORIES:
            servers = (f"{each}://" for each in OF_SERVERS)
            known = ", ".join((*(f"{each}:" for each in (*OF_DIRECTORIES, "memory")), *servers))
            raise ValueError(f"begins with {match[0]!r}, which is none of {known}")
    if not rest.strip():
        raise ValueError("names no directory")
    return Address(scheme, Path(rest))
