"""Which files a database consists of: RocksDB's own list, read without RocksDB."""

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
    PREVIOUS_LOG = 9
    FIRST_LOG_KEPT = 10
    NEW_TABLE = 103
    COLUMN_FAMILY = 200
    COLUMN_FAMILY_ADDED = 201
    COLUMN_FAMILY_DROPPED = 202
    MOST_COLUMN_FAMILY = 203
    GROUP_OF_CHANGES = 300


_NUMBERS = {
    _Tag.NEXT_FILE,
    _Tag.LAST_SEQUENCE,
    _Tag.PREVIOUS_LOG,
    _Tag.FIRST_LOG_KEPT,
    _Tag.COLUMN_FAMILY,
    _Tag.MOST_COLUMN_FAMILY,
    _Tag.GROUP_OF_CHANGES,
}

_MAY_BE_IGNORED = 1 << 13
"""Of a tag with this bit a text follows, whatever it means."""

_END_OF_TABLE = 1


def apply(manifest: Manifest, fields: Fields) -> None:
    """See `Library.apply`."""
    while fields.has_more:
        match fields.number():
            case _Tag.COMPARATOR | _Tag.COLUMN_FAMILY_ADDED:
                fields.skip_text()
            case _Tag.FIRST_LOG:
                manifest.first_log = fields.number()
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
                _skip_rest_of_table(fields)
            case _Tag.COLUMN_FAMILY_DROPPED:
                continue
            case tag if tag in _NUMBERS:
                fields.number()
            case tag if tag & _MAY_BE_IGNORED:
                fields.skip_text()
            case unknown:
                raise IndexError(unknown)


def _skip_rest_of_table(fields: Fields) -> None:
    fields.skip_text()  # its lowest key
    fields.skip_text()  # and its highest
    fields.number()  # its first change
    fields.number()  # and its last
    while fields.number() != _END_OF_TABLE:
        fields.skip_text()
