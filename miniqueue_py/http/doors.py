"""All doors of a broker: its own, and one for each dialect that has a port."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.asgi import App
from miniqueue_py.http.asgi_exchange import AsgiRoute
from miniqueue_py.http.browsers import Browsers
from miniqueue_py.http.dialects.dialect import OpenDialect
from miniqueue_py.http.door import Door
from miniqueue_py.http.json_text import longest_request_bytes
from miniqueue_py.http.native.streams import Streams
from miniqueue_py.http.pages.pages import Pages
from miniqueue_py.http.servers.connections import Connections
from miniqueue_py.http.sockets import below
from miniqueue_py.telemetry.metrics import Metrics

FOR_SUPERVISORS = frozenset({b"/healthz", b"/readyz"})
"""Who ask by any name."""


class Desk(NamedTuple):
    """What doors stand in front of."""

    broker: Broker
    administration: Administration
    metrics: Metrics
    dialects: Mapping[str, OpenDialect]
    """By name."""
    connections: Connections
    access: Access | None = None
    """None: nobody is told apart, and everybody may do everything."""


class Doors:
    """Makes the doors, and drains them together."""

    def __init__(
        self,
        desk: Desk,
        *,
        drain_seconds: float,
        max_wait_seconds: float,
        browsers: Browsers,
        on_error: Callable[[str, Exception], None],
    ) -> None:
        self._browsers = browsers
        self._on_error = on_error
        self._dialects = desk.dialects
        self._pages = Pages(lambda: _create_apps(desk))
        pages = AsgiRoute(self._pages)
        self._streams = Streams(
            desk.broker,
            pages,
            drain_seconds=drain_seconds,
            max_wait_seconds=max_wait_seconds,
            on_error=on_error,
            folders={
                name.encode(): dialect.busy.before(pages) for name, dialect in desk.dialects.items()
            },
            access=desk.access,
        )
        self.native = Door(
            self._streams.route,
            sockets=below(
                {
                    name.encode(): dialect.sockets
                    for name, dialect in desk.dialects.items()
                    if dialect.sockets is not None
                }
            ),
            browsers=browsers,
            harmless=FOR_SUPERVISORS.union(
                *(_in_folder(name, dialect) for name, dialect in desk.dialects.items())
            ),
            on_error=on_error,
        )
        self._all = [self.native]

    def of_dialect(self, name: str) -> Door:
        """Return a door behind which that dialect has every path."""
        dialect = self._dialects[name]
        door = Door(
            dialect.busy.at_root(AsgiRoute(self._pages.at_root(name))),
            sockets=dialect.sockets,
            browsers=self._browsers,
            harmless=dialect.harmless,
            on_error=self._on_error,
        )
        self._all.append(door)
        return door

    async def load(self) -> None:
        """Make what is made when it is first needed."""
        await self._pages.load()

    def drain(self) -> None:
        """End what would last for as long as its client wants: uploads and WebSockets."""
        self._streams.abandon_uploads()
        for dialect in self._dialects.values():
            if dialect.sockets is not None:
                dialect.sockets.drain()

    async def wait_idle(self) -> None:
        """Return when no door has anything open."""
        await asyncio.gather(*(door.wait_idle() for door in self._all))


def _create_apps(desk: Desk) -> Mapping[str, App]:
    # Quart is behind these.
    from miniqueue_py.http.dialects.app import dialect_app  # noqa: PLC0415
    from miniqueue_py.http.pages.app import create_app  # noqa: PLC0415

    longest = longest_request_bytes(desk.broker.limits.max_message_bytes)
    apps = {
        "": create_app(
            desk.broker, desk.administration, desk.metrics, desk.connections, desk.access
        )
    }
    for name, dialect in desk.dialects.items():
        apps[name] = dialect_app(dialect, longest_body_bytes=longest, access=desk.access)
    return apps  # type: ignore[return-value]  # typed as Quart's own ASGI


def _in_folder(name: str, dialect: OpenDialect) -> Iterator[bytes]:
    """Yield the harmless paths of a dialect, as they are at the broker's own port."""
    folder = f"/{name}".encode()
    for path in dialect.harmless:
        yield folder + path
        if path == b"/":
            yield folder
