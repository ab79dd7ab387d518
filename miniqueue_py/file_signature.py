"""What changes with a file, so that it is read again when it has."""

from pathlib import Path

Signature = tuple[int, ...]


def signature_of(path: Path) -> Signature:
    """Return it without reading the file; one that is not there has another one."""
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
