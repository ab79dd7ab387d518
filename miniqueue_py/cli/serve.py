"""`miniqueue`, or `miniqueue serve`: run a broker until it is told to stop."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from miniqueue_py.certificate_paths import certificate_paths
from miniqueue_py.certificates import check_certificate, ensure_development_certificates
from miniqueue_py.config import Settings, load_settings
from miniqueue_py.telemetry.logs import configure_logs

log = structlog.get_logger("miniqueue")


def serve(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Start with these settings; the exit status comes when the broker has stopped."""
    settings = load_settings(argv, environ)
    certificate, key = _certificate_to_show(settings, datetime.now(UTC))
    configure_logs(settings.level, human=settings.human, stream=sys.stderr)
    if settings.certificate is None:
        log.info("certificate.development", ca=str(certificate_paths(certificate.parent).authority))
    # Last, and here: a wrong setting is told before the doors and engines load.
    from miniqueue_py.server import run  # noqa: PLC0415

    return run(settings, certificate=certificate, key=key)


def _certificate_to_show(settings: Settings, now: datetime) -> tuple[Path, Path]:
    if settings.certificate and settings.key:
        check_certificate(settings.certificate, settings.key, now)
        return settings.certificate, settings.key
    made = ensure_development_certificates(Path("certs"), now)
    return made.certificate, made.key
