"""Stores on other machines, by the scheme of their URL."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from miniqueue_py.database_address import without_password
from miniqueue_py.errors import DatabaseRefused

if TYPE_CHECKING:
    from miniqueue_py.storage.shared.engine import SharedStorage


class _Kind(NamedTuple):
    module: str
    extra: str
    """What brings its library."""


_KINDS = {"postgresql": _Kind("miniqueue_py.storage.postgres.opening", "postgres")}


def is_shared(url: str) -> bool:
    """Tell if a URL names a store that several brokers may use."""
    return url.partition("://")[0] in _KINDS and "://" in url


async def open_shared(url: str, lease_seconds: float, confirm: str) -> "SharedStorage":
    """Register as a broker of the store that `url` names; it must be closed.

    Who does not say for `lease_seconds` that it is there is taken for gone. `confirm` says
    what a publish waits for. Raises DatabaseRefused.
    """
    module = _load(url)
    storage: SharedStorage = await module.open(url, lease_seconds=lease_seconds, confirm=confirm)
    return storage


async def promise_of(url: str, confirm: str) -> str:
    """Say what a power cut and a failover of the store can lose. Raises DatabaseRefused."""
    promise: str = await _load(url).promise_of(url, confirm)
    return promise


async def migrate(url: str) -> tuple[int, int]:
    """Bring a store's schema up to date; return its version before and after.

    Raises DatabaseRefused.
    """
    versions: tuple[int, int] = await _load(url).migrate(url)
    return versions


def _load(url: str) -> Any:
    if not is_shared(url):
        known = ", ".join(f"{each}://" for each in _KINDS)
        raise DatabaseRefused(f"-db: {without_password(url)} begins with none of {known}")
    kind = _KINDS[url.partition("://")[0]]
    try:
        return import_module(kind.module)
    except ModuleNotFoundError as error:
        raise DatabaseRefused(
            f"-db: {error.name} is not installed; pip install 'miniqueue-py[server,{kind.extra}]'"
        ) from error
