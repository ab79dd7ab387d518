"""One key, one message: the same on every engine.

A key that comes again with another body is a mistake of its publisher, who would take a message
for stored that is not (draft-ietf-httpapi-idempotency-key-header, section 2.7). Of a body eight
bytes are kept: to tell mistakes, not forgeries.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

from miniqueue_py.broker.message import Publication
from miniqueue_py.errors import KeyReused

DIGEST_BYTES = 8


def body_digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST_BYTES).digest()


def check_keys(
    publications: Sequence[Publication],
    digest_of: Callable[[str], bytes | None],
    keep_keys_for: float,
) -> None:
    """Raise KeyReused if any has a key that is remembered for another body.

    `digest_of` returns that of what is stored under a key, or None if nothing is known. Call it
    before anything is stored: of these all are, or none.
    """
    digests: dict[str, bytes] = {}
    for publication in publications:
        key = publication.key
        if key is None:
            continue
        digest = body_digest(publication.bodies[0])
        if (digests.get(key) or digest_of(key) or digest) != digest:
            raise KeyReused.of(key)
        if keep_keys_for:
            digests[key] = digest
