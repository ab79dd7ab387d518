"""What listens to the broker: logs, and metrics.

structlog comes from here. Where rich is installed, structlog imports it for
tracebacks that our logs do not use, and serving would begin a quarter later.
So this package imports structlog first, while rich is hidden: ours is the
program, and whoever has rich or structlog already notices nothing.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let `import package` fail in the block, unless somebody has imported it before."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # it means: not there
    try:
        yield
    finally:
        del sys.modules[package]


with _hidden("rich"):
    import structlog

__all__ = ["structlog"]
