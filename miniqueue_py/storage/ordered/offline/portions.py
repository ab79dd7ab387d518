"""Records on their way from one database to another, so many at a time as memory bears."""

from collections.abc import Iterable, Iterator

from miniqueue_py.storage.keyvalue.database import Database, Entry, write_batch

PORTION_BYTES = 1 << 18
"""So large a portion is at the least, but for the last: with one more record it would do."""


def portions(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield all of them in lists; the last may be empty."""
    portion: list[Entry] = []
    size = 0
    for entry in entries:
        portion.append(entry)
        size += len(entry[0]) + len(entry[1])
        if size >= PORTION_BYTES:
            yield portion
            portion, size = [], 0
    yield portion


def write_portion(database: Database, portion: Iterable[Entry]) -> None:
    """Write it in one batch. Raises DatabaseFailed."""
    batch = database.batch()
    for key, record in portion:
        batch.put(key, record)
    write_batch(database, batch)
