"""The certificate that the broker shows, from its start on: read again when it was renewed.

New connections see the new one; those that are open go on with what they began
with. One that is no good changes nothing, and is told.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from miniqueue_py.errors import BadSetting
from miniqueue_py.file_signature import Signature, signature_of
from miniqueue_py.http.listener import Credentials
from miniqueue_py.telemetry import structlog
from miniqueue_py.tls.certificates import Presented, check_certificate

log = structlog.get_logger("miniqueue")

LOOK_SECONDS = 1.0
"""Between two looks at the files."""

SOON = timedelta(days=14)
"""Of life left, from which on it is told."""

TOLD_EVERY = timedelta(days=1)


class ShownCertificate:
    """Shows a certificate: `show` has new connections see it, and `hear` is told what it says."""

    def __init__(
        self,
        credentials: Credentials,
        show: Callable[[Credentials], None],
        hear: Callable[[Presented], None],
        client_ca: Path | None = None,
    ) -> None:
        self._credentials = credentials
        self._files = (*credentials, *((client_ca,) if client_ca else ()))
        """Those by which new connections go."""
        self._show = show
        self._hear = hear
        self._tried: tuple[Signature, ...] = ()
        """The files as they were when they were read last."""
        self._seen: tuple[Signature, ...] = ()
        """The files as they were at the last look."""
        self._told_at: datetime | None = None
        self.expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"<ShownCertificate {self._credentials[0]}, until {self.expires_at}>"

    def begin(self, now: datetime) -> None:
        """Show it for the first time. Raises BadSetting."""
        self._load(now)
        self._tell_expiry(now)

    def look(self, now: datetime) -> None:
        """Show the files if they have changed, and tell once a day if the end is near.

        Who renews writes two files, one after the other: they are read when a look finds
        them as the one before.
        """
        signature = _signature(self._files)
        if signature != self._tried and signature == self._seen:
            self.reload(now)
        self._seen = signature
        self._tell_expiry(now)

    def reload(self, now: datetime) -> None:
        """Show the files as they are now; if they are no good, go on with what is shown."""
        try:
            self._load(now)
        except BadSetting as error:
            log.warning("certificate.not_reloaded", problem=str(error))
        except Exception as error:  # noqa: BLE001  the boundary: the next look finds another one
            log.warning("certificate.not_reloaded", problem=repr(error))
        else:
            log.info("certificate.reloaded", until=f"{self.expires_at:%FT%TZ}")

    def _load(self, now: datetime) -> None:
        self._tried = self._seen = _signature(self._files)
        presented = check_certificate(*self._credentials, now)
        try:
            self._show(self._credentials)
        except (OSError, ssl.SSLError) as error:  # they changed since they were checked
            raise BadSetting("-cert", f"{self._credentials[0]} cannot be used: {error}") from error
        self.expires_at, self._told_at = presented.valid_until, None
        self._hear(presented)

    def _tell_expiry(self, now: datetime) -> None:
        if self.expires_at is None or self.expires_at - now > SOON:
            return
        if self._told_at is None or now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            days = round((self.expires_at - now) / timedelta(days=1), 1)
            log.warning("certificate.expires", until=f"{self.expires_at:%FT%TZ}", days=days)


async def watch(
    certificate: ShownCertificate, reload: asyncio.Event, on_reload: Callable[[], None] | None
) -> None:
    """Show a certificate that was renewed, until cancelled; at `reload` at once.

    Then `on_reload` is called, too.
    """
    while True:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await reload.wait()
        except TimeoutError:
            certificate.look(datetime.now(UTC))
        else:
            reload.clear()
            certificate.reload(datetime.now(UTC))
            if on_reload is not None:
                on_reload()


def _signature(files: Iterable[Path]) -> tuple[Signature, ...]:
    return tuple(map(signature_of, files))
