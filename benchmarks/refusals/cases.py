"""What is refused, with which body, and whether its length is told first."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MIB = 1 << 20

FULL_TOPIC = "full"
"""A topic whose policy lets it have one message, which it has."""


class Refusal(NamedTuple):
    """One request that gets `status`, as a client is asked to send it."""

    status: int
    method: str
    path: str
    size: int
    declares: bool
    """The body's length is told in the head."""
    content_type: str = "application/octet-stream"

    @property
    def name(self) -> str:
        told = "told" if self.declares else "untold"
        return f"{self.status} {self.method} {_size_of(self.size)} {told}"


class Desk(NamedTuple):
    """Where the broker is, and the bodies that are sent to it, as files by their size."""

    port: int
    ca: Path
    bodies: Path

    def url(self, refusal: Refusal) -> str:
        return f"https://localhost:{self.port}{refusal.path}"

    def body(self, size: int) -> Path:
        """Return a file of that size."""
        path = self.bodies / f"{size}"
        if not path.exists():
            path.write_bytes(b"x" * size)
        return path


def refusals(sizes_of_413: tuple[int, ...], large: int, largest: int) -> Iterator[Refusal]:
    """Yield every refusal with a small body, a large one, and some with the largest."""
    for declares in (True, False):
        for size in sizes_of_413:
            yield Refusal(413, "POST", "/publish/refused", size, declares)
        for size in (10, large):
            yield Refusal(400, "POST", "/publish/refused?priority=256", size, declares)
            yield Refusal(405, "PUT", "/publish/refused", size, declares)
            yield Refusal(415, "POST", "/publish/refused/batch", size, declares, "image/png")
        for size in (10, large, largest):
            yield Refusal(404, "POST", "/no/such/page", size, declares)
        for size in (10, MIB):
            yield Refusal(429, "POST", f"/publish/{FULL_TOPIC}", size, declares)


ALL = tuple(refusals((MIB + 1, 4 * MIB, 32 * MIB), 4 * MIB, 32 * MIB))


def _size_of(size: int) -> str:
    if size < MIB:
        return f"{size} B"
    return f"{size // MIB} MiB" + (f" + {size % MIB}" if size % MIB else "")
