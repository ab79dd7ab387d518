"""All doors of a broker: its own, and one for each dialect that has a port."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.asgi import App
from miniqueue_py.http.asgi_exchange import AsgiRoute
from miniqueue_py.http.browsers import Browsers
from miniqueue_py.http.dialects.options import TASKS, DialectOptions
from miniqueue_py.http.dialects.registry import Dialects
from miniqueue_py.http.dialects.zoldyq.sockets import ZoldyqSockets
from miniqueue_py.http.door import Door
from miniqueue_py.http.native.streams import Streams
from miniqueue_py.http.pages.pages import Pages
from miniqueue_py.http.servers.connections import Connections
from miniqueue_py.http.sockets import below
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.telemetry.rates import Rates

HARMLESS = frozenset({b"/healthz", b"/readyz", b"/tasks", b"/tasks/"})
"""For supervisors, who ask by any name, and links to the dashboard, whose figures are elsewhere."""


class Desk(NamedTuple):
    """What doors stand in front of."""

    broker: Broker
    administration: Administration
    snapshots: Snapshots
    metrics: Metrics
    task_rates: Rates
    options: DialectOptions
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
        self._dialects = Dialects(
            desk.broker,
            desk.administration,
            desk.snapshots,
            desk.task_rates,
            desk.options,
            access=desk.access,
        )
        self._pages = Pages(lambda: _create_apps(desk, self._dialects))
        pages = AsgiRoute(self._pages)
        self._streams = Streams(
            desk.broker,
            pages,
            drain_seconds=drain_seconds,
            max_wait_seconds=max_wait_seconds,
            on_error=on_error,
            folders={
                name.encode(): busy.before(pages) for name, busy in self._dialects.busy.items()
            },
            access=desk.access,
        )
        self._sockets = ZoldyqSockets(self._dialects.zoldyq, desk.access)
        self.native = Door(
            self._streams.route,
            sockets=below(b"/zoldyq", self._sockets),
            browsers=browsers,
            harmless=HARMLESS,
            on_error=on_error,
        )
        self._all = [self.native]

    def of_dialect(self, name: str) -> Door:
        """Return a door behind which that dialect has every path."""
        sockets = self._sockets if name == "zoldyq" else None
        route = self._dialects.busy[name].at_root(AsgiRoute(self._pages.at_root(name)))
        harmless = frozenset({b"/"} if name == TASKS else ())
        door = Door(
            route,
            sockets=sockets,
            browsers=self._browsers,
            harmless=harmless,
            on_error=self._on_error,
        )
        self._all.append(door)
        return door

    async def load(self) -> None:
        """Make what is made when it is first needed."""
        await self._pages.load()

    def drain(self) -> None:
        """Have those end who would go on: uploads, and WebSockets."""
        self._streams.abandon_uploads()
        self._sockets.drain()

    async def wait_idle(self) -> None:
        """Return when no door has anything open."""
        await asyncio.gather(*(door.wait_idle() for door in self._all))


def _create_apps(desk: Desk, dialects: Dialects) -> Mapping[str, App]:
    from miniqueue_py.http.pages.app import create_app  # noqa: PLC0415  Quart is behind it

    native = create_app(
        desk.broker, desk.administration, desk.metrics, desk.connections, desk.access
    )
    return {"": native, **dialects.create_apps()}  # type: ignore[dict-item]  # typed as Quart's own ASGI
