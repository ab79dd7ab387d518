"""What a start that is refused takes away again: what it had made, and nothing else."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from miniqueue_py.errors import BadSetting, DatabaseRefused


@contextmanager
def nothing_left_if_refused(paths: Iterable[Path]) -> Iterator[None]:
    """Remove those of the paths that were not there before, if the block is refused.

    Only whole files and empty directories, with those above them: a database that
    somebody else made meanwhile is safe.
    """
    missing = {each for path in paths for each in (path, *path.parents) if not each.exists()}
    try:
        yield
    except (BadSetting, DatabaseRefused):
        for path in sorted(missing, key=lambda each: len(each.parts), reverse=True):
            with suppress(OSError):
                path.unlink() if path.is_file() else path.rmdir()
        raise
