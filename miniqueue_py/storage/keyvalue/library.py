"""What has to be known of a library before anything is opened: the files it makes.

One object a library, made without importing it: which library a directory is
of, and what to install for it, is told where it is missing too.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.keyvalue.manifest import Manifest


class Library(Protocol):
    """A way to keep keys in order on a disk."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    @property
    def scheme(self) -> str:
        """What stands before the colon of -db."""
        ...

    @property
    def package(self) -> str:
        """What pip calls it, and what is imported."""
        ...

    @property
    def table_suffix(self) -> str: ...

    def owns(self, name: str) -> bool:
        """Tell if a file of that name may be in a database of it."""
        ...

    def marks(self, name: str) -> bool:
        """Tell if a file of that name shows that a database is of it, and of no other."""
        ...

    def read_manifest(self, path: Path) -> Manifest:
        """Read the list of files. Raises StorageCorrupt, OSError."""
        ...

    def open(self, path: Path) -> Database:
        """Open or make a database. Raises RecordDamaged, DatabaseFailed."""
        ...

    def look_into(
        self, path: Path, manifest: Manifest, *, passes_over_damage: bool
    ) -> AbstractContextManager[Database]:
        """Open a database until the block ends, and change no file of it.

        What is damaged in a log is an error, or is passed over. Raises RecordDamaged,
        DatabaseFailed, OSError.
        """
        ...

    def open_damaged(self, links: Path, damages: list[str]) -> Database:
        """Open what can be opened of a damaged database, of which these are links.

        What is found wrong on the way is added to the damages. Raises DatabaseFailed, OSError.
        """
        ...

    def rebuild_manifest(self, links: Path) -> None:
        """Have the library make a new list of files. Raises DatabaseFailed."""
        ...
