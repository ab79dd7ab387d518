"""What `pip install miniqueue-py` alone does not bring, and what does."""

BROKER_PACKAGES = frozenset(
    {
        "cryptography",
        "httptools",
        "hypercorn",
        "plyvel",
        "prometheus_client",
        "quart",
        "rocksdict",
        "structlog",
        "wsproto",
    }
)
"""What the extra `server` has, by the names that are imported."""


def hint_of(missing: ModuleNotFoundError) -> str | None:
    """Return what to install for a package of the broker; None for another module."""
    package = (missing.name or "").partition(".")[0]
    if package not in BROKER_PACKAGES:
        return None
    return f"{package} is not installed; the broker needs: pip install 'miniqueue-py[server]'"
