"""What is said of a database that is not as it should be."""

import re
from pathlib import Path

_DIRECTORIES = re.compile(r"(?<!\S)/\S*/(?=\S)")


def words_of(error: BaseException) -> str:
    """Return what an error says; plyvel's say it in bytes."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(error)


def words_about_files(error: BaseException) -> str:
    """Return what an error says, and of files their names alone: they may be of a copy."""
    return _DIRECTORIES.sub("", words_of(error))


def damaged(path: Path, problem: str) -> str:
    """Say of a database what is wrong with it, and who can help."""
    return (
        f"is damaged and was left untouched: {problem}; "
        f"`miniqueue repair {path}` tells what a repair would lose"
    )
