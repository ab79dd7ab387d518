"""Where the files of a development certificate are."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CertificatePaths:
    """The four files of a development certificate."""

    authority: Path
    authority_key: Path
    certificate: Path
    key: Path


def certificate_paths(directory: Path) -> CertificatePaths:
    return CertificatePaths(
        authority=directory / "ca.pem",
        authority_key=directory / "ca-key.pem",
        certificate=directory / "localhost.pem",
        key=directory / "localhost-key.pem",
    )
