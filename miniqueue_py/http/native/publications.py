"""Lines of a batch as publications: neighbours under the same terms are one."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import cast

from miniqueue_py.broker.message import Publication
from miniqueue_py.protocol.batch import BatchEntry

Terms = tuple[int, float, float | None]
"""Of a request: priority, delay and ttl, in seconds."""


def publications_of(
    lines: Sequence[bytes] | Sequence[BatchEntry], terms: Terms
) -> Iterator[Publication]:
    """Yield publications of neighbours under the same terms; a key makes one of its own.

    A line's own terms come before those of the request.
    """
    if isinstance(lines[0], bytes):
        yield Publication(cast("Sequence[bytes]", lines), *terms)
        return
    priority, delay, ttl = terms
    for own, alike in groupby(cast("Sequence[BatchEntry]", lines), _own_terms):
        yield Publication(
            [entry.body for entry in alike],
            priority if own.priority is None else own.priority,
            delay if own.delay_seconds is None else own.delay_seconds,
            ttl if own.ttl_seconds is None else own.ttl_seconds,
            own.key,
        )


def _own_terms(entry: BatchEntry) -> BatchEntry:
    """Return what entries that are published together have in common."""
    return entry._replace(body=b"", line=0 if entry.key is None else entry.line)
