"""RocksDB: the files by which it is known, without rocksdict."""

import re

from miniqueue_py.storage.keyvalue.library import Library, Opening
from miniqueue_py.storage.keyvalue.log_tail import LOST
from miniqueue_py.storage.keyvalue.rocksdb.manifest import apply

_MARKS = r"IDENTITY|OPTIONS-\d+|LOG\.old\.\d+|rocksdict-config\.json|\d+\.blob"


def _opening() -> Opening:
    from miniqueue_py.storage.keyvalue.rocksdb import opening  # noqa: PLC0415  imports rocksdict

    return opening


ROCKSDB = Library(
    name="RocksDB",
    scheme="rocksdb",
    package="rocksdict",
    table_suffix=".sst",
    names_log_exactly=False,
    own=re.compile(
        rf"{_MARKS}|CURRENT|LOCK|LOG|MANIFEST-\d+|OPTIONS-\d+\.dbtmp"
        rf"|\d+\.(log|sst|dbtmp)|lost\+found|{LOST}"
    ),
    marks=re.compile(_MARKS),
    apply=apply,
    opening=_opening,
)
