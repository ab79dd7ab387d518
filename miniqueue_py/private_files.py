"""Files that others must not read: keys and tokens."""

import os
import stat
from pathlib import Path

_NOT_OTHERS = 0o077
_NOT_OTHERS_OF_ROOTS = 0o037
"""As PostgreSQL has it: what root owns is for whoever it gives a group."""


def why_not_private(path: Path) -> str:
    """Return what is wrong with who may read a file, and the command that mends it, or "".

    Raises OSError if it cannot be looked at.
    """
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    is_roots = status.st_uid == 0 and os.geteuid() != 0
    if is_private(mode, is_roots=is_roots):
        return ""
    wanted = "640" if is_roots else "600"
    return f"{path} can be read by others (mode {mode:04o}): chmod {wanted} {path}"


def is_private(mode: int, *, is_roots: bool) -> bool:
    """Tell if a mode keeps a file from others; `is_roots` if root owns it, who is not asking."""
    return not mode & (_NOT_OTHERS_OF_ROOTS if is_roots else _NOT_OTHERS)


def close_to_others(directory: Path) -> tuple[bool, int] | None:
    """Keep a directory from all users but its own and their group; None if it is so.

    Otherwise the result tells if it was done, and the mode there was. What is inside need not be
    looked at: nobody gets there.
    """
    mode = stat.S_IMODE(directory.stat().st_mode)
    if not mode & 0o007:
        return None
    try:
        directory.chmod(mode & 0o770)
    except OSError:
        return False, mode
    return True, mode
