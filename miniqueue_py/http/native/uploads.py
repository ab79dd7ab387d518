"""Requests whose bodies are still coming: a broker that drains answers them."""

from typing import Protocol


class Upload(Protocol):
    """Who takes a body."""

    def abandon(self) -> None:
        """Answer with what there is, because the broker takes no more."""
        ...


Uploads = set[Upload]
"""Each puts itself in, and takes itself out."""
