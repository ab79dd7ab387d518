"""What has to be known of a library before anything is opened: the files it makes.

One object a library, made without importing it: which library a directory is
of, and what to install for it, is told where it is missing too.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from miniqueue_py.storage.keyvalue.copies import copied
from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.keyvalue.manifest import Fields, Manifest, read_manifest


class Opening(Protocol):
    """What a library's module `opening` has, which imports the library."""

    def open_database(self, path: Path) -> Database:
        """Open or make a database. Raises RecordDamaged, DatabaseFailed."""
        ...

    def open_copy(self, path: Path, *, passes_over_damage: bool) -> Database:
        """Open a copy of a database, to read it. Raises RecordDamaged, DatabaseFailed."""
        ...

    def open_damaged(self, links: Path, damages: list[str]) -> Database:
        """Open what can be opened of a damaged database, of which these are links.

        What is found wrong on the way is added to the damages. Raises DatabaseFailed, OSError.
        """
        ...

    def rebuild_manifest(self, links: Path) -> None:
        """Have the library make a new list of files. Raises DatabaseFailed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Library:
    """A way to keep keys in order on a disk."""

    name: str
    """How people call it."""
    scheme: str
    """What stands before the colon of -db."""
    package: str
    """What pip calls it, and what is imported."""
    table_suffix: str
    names_log_exactly: bool
    """Its list names the log that it goes on in, and not one before it."""
    own: re.Pattern[str]
    """The names of files that may be in a database of it."""
    marks: re.Pattern[str]
    """Those that show that a database is of it, and of no other."""
    apply: Callable[[Manifest, Fields], None]
    """Applies one change to the list of files. Raises IndexError of what makes no sense."""
    opening: Callable[[], Opening]
    """Imports the library. Raises ModuleNotFoundError."""

    def read_manifest(self, path: Path) -> Manifest:
        """Read the list of files. Raises StorageCorrupt, OSError."""
        manifest = read_manifest(path, self.apply)
        if not self.names_log_exactly:
            # What a start writes names the log before its own by a number, and no file has that:
            # its own has a higher one, and is made before the list is. From the first flush on
            # it is exact.
            number = int(manifest.name.removeprefix("MANIFEST-"))
            manifest.goes_on_in_any_log = manifest.first_log < number != 1
        return manifest

    def owns(self, name: str) -> bool:
        """Tell if a file of that name may be in a database of it."""
        return self.own.fullmatch(name) is not None

    def open(self, path: Path) -> Database:
        """Open or make a database. Raises RecordDamaged, DatabaseFailed."""
        return self.opening().open_database(path)

    @contextmanager
    def look_into(
        self, path: Path, manifest: Manifest, *, passes_over_damage: bool
    ) -> Iterator[Database]:
        """Open a database until the block ends, and change no file of it.

        What is damaged in a log is an error, or is passed over. Raises RecordDamaged,
        DatabaseFailed, OSError.
        """
        opening = self.opening()
        with (
            copied(path, manifest) as copy,
            closing(opening.open_copy(copy, passes_over_damage=passes_over_damage)) as database,
        ):
            yield database
