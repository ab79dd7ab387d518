"""Access as the settings want it, and the task that keeps it up to date."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from miniqueue_py.broker.clock import Clock
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.access.access import Access, Source
from miniqueue_py.http.access.audit import Audit, Tell
from miniqueue_py.http.access.certificates import BadClientCa, Certificates
from miniqueue_py.http.access.token_file import BadTokenFile
from miniqueue_py.http.access.token_source import TokenSource


class Issuer(NamedTuple):
    """Whose tokens are taken, if they are meant for us."""

    url: str
    """Empty if there is none."""
    audience: str


class ClientCa(NamedTuple):
    """Whose client certificates count."""

    path: Path | None
    """None: none do."""
    is_required: bool = False
    """Beside a token."""


@asynccontextmanager
async def open_access(
    tokens: Path | None, issuer: Issuer, client_ca: ClientCa, clock: Clock, tell: Tell
) -> AsyncIterator[Access | None]:
    """Yield who tells clients apart, kept up to date; None if nobody is told apart.

    Raises BadSetting, with the line of the file that is wrong.
    """
    if tokens is None:
        yield None
        return
    audit = Audit(clock, tell)
    try:
        file = TokenSource(tokens, audit)
    except BadTokenFile as error:
        raise BadSetting("-tokens", str(error)) from error
    source = file if not issuer.url else _with_issuer(issuer, file, clock, audit)
    certificates = None
    if client_ca.path is not None:
        try:
            certificates = Certificates(client_ca.path, file, audit)
        except BadClientCa as error:
            raise BadSetting("-client-ca", str(error)) from error
    access = Access(clock, audit, source, certificates, requires_both=client_ca.is_required)
    looking = asyncio.create_task(access.run())
    try:
        yield access
    finally:
        looking.cancel()


def _with_issuer(issuer: Issuer, tokens: TokenSource, clock: Clock, audit: Audit) -> Source:
    try:
        from miniqueue_py.http.access.oidc import Keys, OidcSource  # noqa: PLC0415  an extra
    except ImportError as error:
        raise BadSetting(
            "-oidc-issuer", "needs PyJWT: pip install 'miniqueue-py[server,oidc]'"
        ) from error
    return OidcSource(tokens, Keys(issuer.url, clock, audit), issuer.audience, clock)
