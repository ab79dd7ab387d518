"""What was said and is not written yet, laid over what is read.

As a rule that is what happened in this turn of the loop. After a failed write
it is everything since, and stays so: consuming goes on, and a message that was
acknowledged does not come back while the process lives.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import merge

from miniqueue_py.storage.keyvalue.database import Database, Entry


class Changes:
    """Records to put and to delete."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.records: dict[bytes, bytes | None] = {}
        """None: to be deleted."""
        self.gone: list[Sequence[bytes]] = []
        """To be deleted after that: keys that nobody writes to any more."""
        self._is_for_good = False

    def __len__(self) -> int:
        self._note_gone()
        return len(self.records)

    def put(self, key: bytes, record: bytes) -> None:
        self.records[key] = record

    def delete(self, key: bytes) -> None:
        self.records[key] = None
        if self._is_for_good:
            self._forget_unwritten([key])

    def delete_all(self, gone: Sequence[bytes]) -> None:
        """Delete many, which is quick, since nobody writes to their keys any more."""
        self.gone.append(gone)
        if self._is_for_good:
            self._note_gone()
            self._forget_unwritten(gone)

    def keep_for_good(self) -> None:
        """Take note that nothing will be written any more."""
        self._is_for_good = True

    def get(self, key: bytes) -> bytes | None:
        """Read one record as if every change were written already."""
        self._note_gone()
        if key in self.records:
            return self.records[key]
        return self._database.get(key)

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        """Read `start <= key < stop` as if every change were written already."""
        self._note_gone()
        records = self.records
        entries = self._database.read(start, stop)
        if not records:
            return entries
        over = sorted((key, record) for key, record in records.items() if record is not None)
        return merge(
            (entry for entry in entries if entry[0] not in records),
            (entry for entry in over if start <= entry[0] < stop),
        )

    def write_to(
        self, put: Callable[[bytes, bytes], None], delete: Callable[[bytes], None]
    ) -> None:
        """Make them in a batch."""
        for key, record in self.records.items():
            if record is None:
                delete(key)
            else:
                put(key, record)
        for gone in self.gone:
            for key in gone:
                delete(key)

    def _note_gone(self) -> None:
        for gone in self.gone:
            self.records.update(dict.fromkeys(gone))
        self.gone.clear()

    def _forget_unwritten(self, deleted: Sequence[bytes]) -> None:
        """Keep no note of what the disk never had, or there would be no end of it."""
        for key in deleted:
            if not self._database.has(key):
                self.records.pop(key, None)
