"""A database moved to another library, record by record: whole, or not at all.

The copy is made beside its place and read again before it goes there. What is
compared is what the layout consists of, keys and records; a message that both
can deliver alike needs nothing else.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import blake2b
from os.path import realpath
from pathlib import Path
from struct import Struct
from tempfile import mkdtemp
from typing import NamedTuple

from miniqueue_py.database_address import Address
from miniqueue_py.errors import DatabaseRefused, StorageCorrupt
from miniqueue_py.storage.keyvalue.database import (
    Database,
    DatabaseFailed,
    Entry,
    RecordDamaged,
)
from miniqueue_py.storage.keyvalue.directories import make_directory, sync_directory
from miniqueue_py.storage.keyvalue.libraries import choose_library
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.keyvalue.log_sync import LogSync
from miniqueue_py.storage.keyvalue.place import Place
from miniqueue_py.storage.keyvalue.words import damaged, words_about_files, words_of
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.layout.version import version_of
from miniqueue_py.storage.ordered.offline.files import (
    check_is_database,
    check_is_free,
    damages_of_files,
    give_to_owner,
)
from miniqueue_py.storage.ordered.offline.portions import portions, write_portion

Advance = Callable[[int, int], None]
"""Is told how many messages more were read, and how many bytes."""

_EVERYTHING = (b"", None)
_SIZES = Struct(">QQ")
_OF_MESSAGES = (keys.MESSAGES[0], keys.DELAYED[0])


class Digest:
    """What a database holds, in a few bytes."""

    def __init__(self) -> None:
        self.messages = 0
        self.records = 0
        self._hash = blake2b(digest_size=16)

    def add(self, entries: list[Entry]) -> tuple[int, int]:
        """Take in what comes next; return how many messages it has, and how many bytes."""
        update, pack = self._hash.update, _SIZES.pack
        size = 0
        for key, record in entries:
            update(pack(len(key), len(record)) + key + record)
            size += len(record)
        messages = sum([key[0] in _OF_MESSAGES for key, _ in entries])
        self.messages += messages
        self.records += len(entries)
        return messages, size

    def in_words(self) -> str:
        return self._hash.hexdigest()


class Copied(NamedTuple):
    """What was moved, and found again."""

    topics: int
    messages: int
    records: int
    digest: str


class Copying:
    """A database that is held, and where it is to go; nothing is written yet."""

    def __init__(self, source: Path, library: Library, target: Path, into: Library) -> None:
        self._source = source
        self._library = library
        self._target = target
        self._into = into

    @property
    def total_bytes(self) -> int:
        """About how much has to be read: what the tables and logs take."""
        suffixes = {self._library.table_suffix, ".log"}
        return sum(at.stat().st_size for at in self._source.iterdir() if at.suffix in suffixes)

    def make(self, bars: Callable[[str], Advance]) -> Copied:
        """Make the copy, verify it, and put it in its place; a bar is asked for by what it shows.

        Raises DatabaseRefused.
        """
        parent = self._target.absolute().parent
        try:
            make_directory(parent)
            work = Path(mkdtemp(prefix=f"{self._target.name}.copy-", dir=parent))
        except OSError as error:
            raise DatabaseRefused(f"{parent} cannot be written: {words_of(error)}") from error
        try:
            copied = self._fill(work, bars)
            LogSync(work)()
            give_to_owner(work, self._source)
            work.rename(self._target)
            sync_directory(parent)
        except (DatabaseFailed, OSError) as error:
            raise DatabaseRefused(
                f"{self._target} cannot be written: {words_about_files(error)}"
            ) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return copied

    def _fill(self, work: Path, bars: Callable[[str], Advance]) -> Copied:
        with self._opened_source() as source, closing(self._into.open(work)) as target:
            topics = sum(1 for _ in source.read_strictly(*keys.whole(keys.TOPICS)))
            sent = self._copy(source, target, bars("copying"))
        with closing(self._into.open(work)) as target:
            found = _digest_of(target, bars("verifying"))
        told, is_there = sent.in_words(), found.in_words()
        if told != is_there:
            raise DatabaseRefused(f"{self._target} is not what was read: {told} is {is_there}")
        return Copied(topics, found.messages, found.records, is_there)

    @contextmanager
    def _opened_source(self) -> Iterator[Database]:
        path, library = self._source, self._library
        try:
            manifest = library.read_manifest(path)
            damage = next(damages_of_files(path, manifest, library.table_suffix), None)
            if damage is not None:
                raise self._damaged(damage)
            with library.look_into(path, manifest, passes_over_damage=False) as database:
                _, problem = version_of(database)
                if problem is not None:
                    raise DatabaseRefused(f"{path} {problem}")
                yield database
        except (RecordDamaged, StorageCorrupt) as error:
            raise self._damaged(words_about_files(error)) from error

    def _damaged(self, problem: str) -> DatabaseRefused:
        return DatabaseRefused(f"{self._source} {damaged(self._source, problem)}")

    def _copy(self, source: Database, target: Database, advance: Advance) -> Digest:
        digest = Digest()
        for entries in portions(source.read_strictly(*_EVERYTHING)):
            write_portion(target, entries)
            advance(*digest.add(entries))
        return digest


@contextmanager
def copying(source: Address, target: Address) -> Iterator[Copying]:
    """Hold a database until the block ends, to be copied. Raises DatabaseRefused."""
    from_path, to_path = (_directory(each) for each in (source, target))
    check_is_database(from_path)
    into = _library_for_new(to_path, target.scheme)
    # Links and dots may lead there too, and no broker opens a database that holds a stranger.
    if Path(realpath(to_path)).is_relative_to(realpath(from_path)):
        raise DatabaseRefused(f"{to_path} is inside {from_path}")
    choose_library(from_path, source.scheme)
    place = Place(from_path)
    try:
        check_is_free(place.path)
        yield Copying(place.path, place.library, to_path, into)
    finally:
        place.close()


def _directory(address: Address) -> Path:
    if address.directory is None:
        raise DatabaseRefused(
            "memory: has nothing that could be copied, and keeps nothing"
            if address.scheme == "memory"
            else f"{address.scheme}: names a server; copy goes from a directory to a directory"
        )
    return address.directory


def _library_for_new(path: Path, scheme: str | None) -> Library:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise DatabaseRefused(f"{path} is not a directory")
    try:
        held = sorted(at.name for at in path.iterdir()) if path.exists() else []
    except OSError as error:
        raise DatabaseRefused(f"{path} cannot be read: {error.strerror}") from error
    if held:
        raise DatabaseRefused(f"{path} is not empty: it holds {held[0]!r}; name a new directory")
    return choose_library(path, scheme)


def _digest_of(database: Database, advance: Advance) -> Digest:
    digest = Digest()
    for entries in portions(database.read_strictly(*_EVERYTHING)):
        advance(*digest.add(entries))
    return digest
