"""A repair: made beside a database, told, and put in its place if that is wanted."""

import multiprocessing
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp

from miniqueue_py.errors import DatabaseRefused, StorageCorrupt
from miniqueue_py.storage.keyvalue.database import DatabaseFailed
from miniqueue_py.storage.keyvalue.directories import sync_directory
from miniqueue_py.storage.keyvalue.log_sync import LogSync
from miniqueue_py.storage.keyvalue.place import Place
from miniqueue_py.storage.keyvalue.words import words_of
from miniqueue_py.storage.ordered.offline.files import check_is_free, give_to_owner
from miniqueue_py.storage.ordered.offline.salvage import Salvaged, salvage


class Repair:
    """What would be in place of a database."""

    def __init__(self, path: Path, work: Path, salvaged: Salvaged) -> None:
        self.damages = salvaged.damages
        self.topics = salvaged.topics
        self._path = path
        self._work = work

    def put_in_place(self) -> Path:
        """Let it take the database's place; return where that is kept. Raises OSError."""
        repaired = self._work / "repaired"
        # A library syncs its newest log alone, and may have closed with an older one.
        LogSync(repaired)()
        give_to_owner(repaired, self._path)
        kept = self._path.with_name(f"{self._path.name}.damaged")
        number = 1
        while kept.exists():
            number += 1
            kept = self._path.with_name(f"{self._path.name}.damaged.{number}")
        self._path.rename(kept)
        repaired.rename(self._path)
        sync_directory(self._path.parent)
        return kept


@contextmanager
def repaired(path: Path) -> Iterator[Repair]:
    """Make a repair; what of it was not put in place is gone when the block ends.

    Raises DatabaseRefused.
    """
    if not path.is_dir():
        what = "is not a directory" if path.exists() else "does not exist"
        raise DatabaseRefused(f"{path} {what}; name the directory that the broker has as -db")
    place = Place(path)
    try:
        check_is_free(place.path)
        try:
            work = Path(mkdtemp(prefix=f"{place.path.name}.repair-", dir=place.path.parent))
        except OSError as error:
            raise DatabaseRefused(
                f"{place.path.parent} has to take a copy: {words_of(error)}"
            ) from error
        try:
            yield Repair(place.path, work, _salvage_in_a_child(place.path, work))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    finally:
        place.close()


def _salvage_in_a_child(path: Path, work: Path) -> Salvaged:
    """Let a library end another process than ours, as it does on some files."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_salvage, args=(path, work, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        child.join()
        answer = f"the library ended with {child.exitcode}"
    finally:
        child.kill()
        child.join()
    if isinstance(answer, str):
        raise DatabaseRefused(f"{path} cannot be repaired: {answer}")
    return Salvaged(*answer)


def _salvage(path: Path, work: Path, answer: Connection) -> None:
    try:
        answer.send(tuple(salvage(path, work)))
    except (DatabaseFailed, DatabaseRefused, StorageCorrupt, OSError) as error:
        answer.send(words_of(error))
