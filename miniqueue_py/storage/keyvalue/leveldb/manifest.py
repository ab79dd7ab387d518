"""Which files a database consists of: LevelDB's own list, read without LevelDB.

Opening a database writes to it. Whoever only looks must know before which
tables are its own, since others may lie beside them after a crash, and which
logs are still to be read.
"""

from enum import IntEnum

from miniqueue_py.storage.keyvalue.manifest import Fields, Manifest


class _Tag(IntEnum):
    """What a field of a change is."""

    COMPARATOR = 1
    FIRST_LOG = 2
    NEXT_FILE = 3
    LAST_SEQUENCE = 4
    COMPACTED_UNTIL = 5
    DELETED_TABLE = 6
    NEW_TABLE = 7
    PREVIOUS_LOG = 9


def apply(manifest: Manifest, fields: Fields) -> None:
    """See `Library.apply`."""
    while fields.has_more:
        match fields.number():
            case _Tag.COMPARATOR:
                fields.skip_text()
            case _Tag.FIRST_LOG:
                manifest.first_log = fields.number()
            case _Tag.NEXT_FILE | _Tag.LAST_SEQUENCE:
                fields.number()
            case _Tag.COMPACTED_UNTIL:
                fields.number()
                fields.skip_text()
            case _Tag.DELETED_TABLE:
                fields.number()
                manifest.tables.pop(fields.number(), None)
            case _Tag.NEW_TABLE:
                fields.number()
                number = fields.number()
                manifest.tables[number] = fields.number()
                fields.skip_text()
                fields.skip_text()
            case _Tag.PREVIOUS_LOG:
                manifest.previous_log = fields.number()
            case unknown:
                raise IndexError(unknown)
