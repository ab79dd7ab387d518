"""The file of tokens: read as a whole, and changed line by line, so that comments stay."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from tempfile import NamedTemporaryFile

from miniqueue_py.http.access.token_line import TokenLine, format_line, parse_line

LONGEST_FILE_BYTES = 1 << 24

_MODE = 0o600
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP
"""Others may do nothing with it. A group may read it: an orchestrator mounts it so."""


class BadTokenFile(Exception):
    """The file cannot be used as it is: the sentence names its line, if it is one."""

    def __init__(self, path: Path, problem: str, line: int = 0) -> None:
        where = f"{path}:{line}" if line else str(path)
        super().__init__(f"{where}: {problem}")
        self.line = line
        """From 1; 0 if it is none."""


def read_tokens(path: Path) -> Sequence[TokenLine]:
    """Return what the file says. Raises BadTokenFile."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(LONGEST_FILE_BYTES + 1)
    except OSError as error:
        raise BadTokenFile(path, error.strerror or str(error)) from error
    if stat.S_ISREG(mode) and mode & _TOO_OPEN:
        problem = f"others may read or change it; say: chmod 600 {path}"
        raise BadTokenFile(path, problem)
    return parse_tokens(path, text)


def parse_tokens(path: Path, text: bytes) -> Sequence[TokenLine]:
    """Return what a file of that path and text says. Raises BadTokenFile."""
    if len(text) > LONGEST_FILE_BYTES:
        raise BadTokenFile(path, f"is longer than {LONGEST_FILE_BYTES} bytes")
    lines: list[TokenLine] = []
    names: set[str] = set()
    digests: set[bytes] = set()
    for number, raw in enumerate(text.split(b"\n"), 1):
        try:
            line = parse_line(raw.decode())
            if line is None:
                continue
            if line.principal.name in names:
                raise ValueError(f"names {line.principal.name} a second time")  # noqa: TRY301
            if line.digest and line.digest in digests:
                raise ValueError("has the sha256 of another line")  # noqa: TRY301
        except ValueError as error:
            problem = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise BadTokenFile(path, problem, number) from None
        names.add(line.principal.name)
        digests.add(line.digest)
        lines.append(line)
    return lines


def add_token(path: Path, line: TokenLine) -> None:
    """Add a line; make the file if there is none. Raises BadTokenFile."""
    try:
        with _locked(path):
            text = path.read_bytes()
            if any(each.principal.name == line.principal.name for each in parse_tokens(path, text)):
                raise BadTokenFile(path, f"names {line.principal.name} already")
            gap = b"" if not text or text.endswith(b"\n") else b"\n"
            _replace(path, text + gap + format_line(line).encode() + b"\n")
    except OSError as error:
        raise BadTokenFile(path, error.strerror or str(error)) from error


def revoke_token(path: Path, name: str) -> bool:
    """Take the line of that name away; tell if there was one. Raises BadTokenFile."""
    if not path.exists():
        raise BadTokenFile(path, "there is no such file")
    try:
        with _locked(path):
            text = path.read_bytes()
            parse_tokens(path, text)
            kept = [raw for raw in text.split(b"\n") if not _is_of(raw, name)]
            changed = b"\n".join(kept)
            if changed == text:
                return False
            _replace(path, changed)
    except OSError as error:
        raise BadTokenFile(path, error.strerror or str(error)) from error
    return True


def _is_of(raw: bytes, name: str) -> bool:
    line = parse_line(raw.decode())
    return line is not None and line.principal.name == name


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others who change it away; the file is there then. A broker only reads it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            flock(descriptor, LOCK_EX)
            # Somebody may have put another file in its place while we waited.
            if _is_there(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _replace(path: Path, text: bytes) -> None:
    """Put a whole file in the place of another: who reads it sees the one or the other."""
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) & ~_TOO_OPEN
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
