"""The secrets of tokens, and what is kept of them.

A secret is 32 random bytes. Only its SHA-256 is kept. A slow hash (bcrypt,
argon2) is for what people think up, of which an attacker tries the likely ones
first; of 2^256 that are equally likely they find none, whatever a try costs. And
ours is computed for whoever asks, so a slow one would be a way to wear us down.
"""

import base64
import hmac
from collections.abc import Iterable
from hashlib import sha256
from secrets import token_bytes
from typing import Generic, TypeVar

PREFIX = "mq_"
"""By which a secret that stands where it should not is found, by people and by scanners."""

_SECRET_BYTES = 32
_INDEX_BYTES = 4

Owner = TypeVar("Owner")


def new_secret() -> str:
    """Return a secret that nobody has."""
    return PREFIX + base64.urlsafe_b64encode(token_bytes(_SECRET_BYTES)).rstrip(b"=").decode()


def digest_of(secret: bytes) -> bytes:
    """Return what is kept of a secret."""
    return sha256(secret).digest()


class Digests(Generic[Owner]):
    """Finds whose a secret is, in a time that tells nothing about any other secret.

    What an attacker can vary goes through SHA-256 first, so what they learned of
    a digest would say nothing about the secret that it is compared with. The
    digests lie in bins, by their first bytes. All bins are of one size, filled up
    with digests of nothing, and all of a bin is compared: what is found takes as
    long as what is not. (Looked up in a dict, what was found took 30 % longer:
    it was not in the processor's cache.)
    """

    def __init__(self, owners: Iterable[tuple[bytes, Owner]] = ()) -> None:
        known = list(owners)
        self._mask = (1 << len(known).bit_length()) - 1
        bins: list[list[tuple[bytes, Owner | None]]] = [[] for _ in range(self._mask + 1)]
        for digest, owner in known:
            bins[self._bin_of(digest)].append((digest, owner))
        size = max(map(len, bins))
        for each in bins:
            each += [(token_bytes(_SECRET_BYTES), None) for _ in range(size - len(each))]
        self._bins = bins

    def __repr__(self) -> str:
        return f"<Digests in {len(self._bins)} bins of {len(self._bins[0])}>"

    def find(self, secret: bytes) -> Owner | None:
        """Return whose it is, if anybody's."""
        digest = digest_of(secret)
        found: Owner | None = None
        for known, owner in self._bins[self._bin_of(digest)]:
            # No branch: it would be taken for the right one alone.
            found = (found, owner)[hmac.compare_digest(known, digest)]
        return found

    def _bin_of(self, digest: bytes) -> int:
        return int.from_bytes(digest[:_INDEX_BYTES]) & self._mask
