"""LevelDB: the files by which it is known, without plyvel."""

import re

from miniqueue_py.storage.keyvalue.leveldb.manifest import apply
from miniqueue_py.storage.keyvalue.library import Library, Opening
from miniqueue_py.storage.keyvalue.log_tail import LOST


def _opening() -> Opening:
    from miniqueue_py.storage.keyvalue.leveldb import opening  # noqa: PLC0415  imports plyvel

    return opening


LEVELDB = Library(
    name="LevelDB",
    scheme="leveldb",
    package="plyvel",
    table_suffix=".ldb",
    names_log_exactly=True,
    own=re.compile(
        rf"CURRENT|LOCK|LOG(\.old)?|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp)|lost\+found|{LOST}"
    ),
    marks=re.compile(r"\d+\.ldb"),
    apply=apply,
    opening=_opening,
)
