"""A database's files where a library may do with them what it likes.

A library writes when it opens: LevelDB a new log, a new list of files, tables
for what was in the old log; rocksdict a file of its own. So to look at a
database it opens a copy. Tables never change once written, and stand in the
copy as links; the rest is small. Only tables that belong to the database are
linked: a library could give a new one the number of a leftover, and would
write through the link.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from miniqueue_py.storage.keyvalue.manifest import Manifest

_TABLE = re.compile(r"(\d+)\.(?:ldb|sst)")
_LOG = re.compile(r"(\d+)\.log")

_PREFIX = "miniqueue-inspect-"


@contextmanager
def copied(path: Path, manifest: Manifest) -> Iterator[Path]:
    """Make a copy of a database that is there until the block ends. Raises OSError."""
    with TemporaryDirectory(prefix=_PREFIX) as directory:
        copy = Path(directory)
        for source in path.resolve().iterdir():
            name = source.name
            table, log = _TABLE.fullmatch(name), _LOG.fullmatch(name)
            if table and int(table[1]) in manifest.tables:
                (copy / name).symlink_to(source)
            elif name in {"CURRENT", manifest.name} or (log and manifest.needs_log(int(log[1]))):
                shutil.copyfile(source, copy / name)
        yield copy
