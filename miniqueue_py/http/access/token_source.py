"""The tokens of a file, as they are in force."""

import asyncio
from collections.abc import Hashable, Sequence
from pathlib import Path

from miniqueue_py.file_signature import signature_of
from miniqueue_py.http.access.access import Identity
from miniqueue_py.http.access.audit import Audit
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.secrets import Digests
from miniqueue_py.http.access.token_file import BadTokenFile, read_tokens
from miniqueue_py.http.access.token_line import TokenLine


class TokenSource:
    """Reads the file when it changes; a broken one changes nothing. Raises BadTokenFile."""

    def __init__(self, path: Path, audit: Audit) -> None:
        self._path = path
        self._audit = audit
        self._signature = signature_of(path)
        self._is_wanted = False
        self._digests: Digests[Identity] = Digests()
        self._by_digest: dict[Hashable, Principal] = {}
        self.claiming: Sequence[TokenLine] = ()
        """The lines that are for those of whom an issuer says something."""
        self.certified: Sequence[TokenLine] = ()
        """The lines that are for those who show a client certificate."""
        self._take(read_tokens(path))

    def __repr__(self) -> str:
        return f"<TokenSource of {self._path}, {len(self._by_digest)} tokens>"

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, secret: bytes) -> Identity | None:
        return self._digests.find(secret)

    def current(self, key: Hashable) -> Principal | None:
        return self._by_digest.get(key)

    def want_reload(self) -> None:
        """Read the file at the next look, whether it has changed or not."""
        self._is_wanted = True

    async def look(self) -> bool:
        """Read the file if it has changed since it was read; tell if it is in force."""
        found = signature_of(self._path)
        if found == self._signature and not self._is_wanted:
            return False
        # First: what changes while it is read is read again.
        self._signature, self._is_wanted = found, False
        try:
            lines = await asyncio.to_thread(read_tokens, self._path)
        except BadTokenFile as error:
            self._audit.note_not_reloaded(str(self._path), str(error))
            return False
        self._take(lines)
        self._audit.note_reloaded(str(self._path), tokens=len(lines))
        return True

    def _take(self, lines: Sequence[TokenLine]) -> None:
        self.claiming = [line for line in lines if line.claims]
        self.certified = [line for line in lines if line.certificates]
        secret = [line for line in lines if line.digest]
        self._by_digest = {line.digest: line.principal for line in secret}
        self._digests = Digests(
            (line.digest, Identity(line.digest, line.principal)) for line in secret
        )
