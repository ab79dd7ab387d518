"""The format of a database, which is a record of its own."""

from pathlib import Path

from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.ordered.layout import keys

VERSION = b"miniqueue 3"

OLDER_VERSIONS = (b"miniqueue 1", b"miniqueue 2")
"""Read as they are, and marked as of this version: what is written from now on, they could
not read."""


def check_version(database: Database, path: Path) -> None:
    """Refuse what another program or a newer version wrote; mark a new database.

    Raises DatabaseRefused.
    """
    version, problem = version_of(database)
    if problem is not None:
        raise DatabaseRefused(f"-db: {path} {problem}")
    if version != VERSION:
        batch = database.batch()
        batch.put(keys.VERSION_KEY, VERSION)
        database.write_through(batch)


def version_of(database: Database) -> tuple[bytes | None, str | None]:
    """Return the format a database is in, and why it cannot be read, if it cannot.

    Raises RecordDamaged, DatabaseFailed.
    """
    found = dict(database.read_strictly(keys.VERSION_KEY, keys.VERSION_KEY + b"\x00"))
    version = found.get(keys.VERSION_KEY)
    problem = None
    if version is None:
        if next(database.read_strictly(b"", None), None) is not None:
            problem = (
                "was written by another program (MiniQueue's own databases cannot be read); "
                "name an empty directory"
            )
    elif version.startswith(b"miniqueue ") and version not in {VERSION, *OLDER_VERSIONS}:
        problem = (
            f"is in format {version.decode(errors='replace')!r}, written by a newer "
            f"version; this one reads {VERSION.decode()!r}"
        )
    elif version not in {VERSION, *OLDER_VERSIONS}:
        problem = "was written by another program"
    return version, problem
