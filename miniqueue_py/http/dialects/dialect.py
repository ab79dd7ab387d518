"""The seam between the broker and another system's API.

All that is particular to one is in its own package, behind these two: what may
be chosen about it, which is known at once, and what it is when it is open.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

if TYPE_CHECKING:
    from quart import Blueprint

    from miniqueue_py.broker.administration import Administration
    from miniqueue_py.broker.broker import Broker
    from miniqueue_py.broker.events import Observers
    from miniqueue_py.broker.snapshots import Snapshots
    from miniqueue_py.http.access.access import Access
    from miniqueue_py.http.access.needs import Needs
    from miniqueue_py.http.asgi import Receive, Scope, Send
    from miniqueue_py.http.dialects.busy import Busy
    from miniqueue_py.http.exchange import Answer


class Tools(NamedTuple):
    """What a dialect is made of."""

    broker: "Broker"
    administration: "Administration"
    snapshots: "Snapshots"
    observers: "Observers"
    access: "Access | None" = None


class Sockets(Protocol):
    """All WebSockets of a dialect: an ASGI application."""

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one until either side ends it."""
        ...

    def drain(self) -> None:
        """Have all of them close; what is being stored is answered first."""
        ...


class OpenDialect(ABC):
    """A dialect as requests share it."""

    busy: "Busy"
    """What is asked for all the time."""
    sockets: "Sockets | None" = None
    """None: it has none."""
    needs: "ClassVar[Needs]"
    """What each of its pages needs, by endpoint; one that is missing answers nobody."""
    harmless: ClassVar[frozenset[bytes]] = frozenset()
    """Its paths that pages of other sites may lead to, in a way that tells them nothing."""

    @staticmethod
    @abstractmethod
    def explain(status: int, text: str) -> "Answer":
        """Return an error as the system tells it."""

    @abstractmethod
    def pages(self) -> "Blueprint":
        """Return what is asked for once in a while. Quart is behind it, so this takes long."""


class Dialect(ABC):
    """A dialect, and what was chosen about it: a dataclass of settings, as Settings is.

    It is imported to read settings, so what speaks it is imported by `open`.
    """

    name: ClassVar[str]
    """In paths and flags, and of its package."""
    port_variable: ClassVar[str] = ""
    """The variable that says on which port its system listens, if it has one."""
    host_variable: ClassVar[str] = ""
    other_flags: ClassVar[Mapping[str, str]] = {}
    """Flags of its system that are the broker's own here, and what is said instead."""
    aliases: ClassVar[Mapping[str, str]] = {}
    """Variables of its system for flags that are the broker's own."""

    @property
    def directories(self) -> Mapping[str, Path]:
        """What it keeps files in, by flag. They are there when it is opened."""
        return {}

    @abstractmethod
    def open(self, tools: Tools) -> OpenDialect:
        """Return it as it is served."""
