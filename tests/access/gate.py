"""All doors of a broker in this process, with a file of tokens in front of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.audit import Audit
from miniqueue_py.http.access.certificates import Certificates
from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import RIGHTS, Right
from miniqueue_py.http.access.secrets import digest_of, new_secret
from miniqueue_py.http.access.token_file import add_token, revoke_token
from miniqueue_py.http.access.token_line import TokenLine
from miniqueue_py.http.access.token_source import TokenSource
from miniqueue_py.http.browsers import Browsers
from miniqueue_py.http.dialects.dialect import Tools
from miniqueue_py.http.dialects.known import DIALECTS
from miniqueue_py.http.door import Door
from miniqueue_py.http.doors import Desk, Doors
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.testing.clock import ManualClock
from tests.http.exchanges import Exchange

ALL: Mapping[Right, tuple[str, ...]] = dict.fromkeys(RIGHTS, ("*",))


class Gate:
    """Doors that tell clients apart, on memory, whose time is moved."""

    def __init__(
        self, directory: Path, client_ca: Path | None = None, *, requires_both: bool = False
    ) -> None:
        self.clock = ManualClock(now=1_800_000_000.0)
        self.path = directory / "tokens"
        self.path.touch(0o600)
        self.told: list[tuple[str, Mapping[str, object]]] = []
        self.audit = Audit(self.clock, lambda event, facts: self.told.append((event, facts)))
        self.source = TokenSource(self.path, self.audit)
        certificates = (
            None if client_ca is None else Certificates(client_ca, self.source, self.audit)
        )
        self.access = Access(
            self.clock, self.audit, self.source, certificates, requires_both=requires_both
        )
        self.storage = MemoryStorage()
        metrics = Metrics()
        self.broker = Broker(self.storage, self.clock, observers=Observers(metrics.observe))
        self.administration = Administration(self.broker, self.storage, Observers())
        snapshots = Snapshots(self.storage, self.clock)
        tools = Tools(self.broker, self.administration, snapshots, Observers(), self.access)
        self.dialects = {each.name: each().open(tools) for each in DIALECTS}
        self.sockets: Any = self.dialects["zoldyq"].sockets
        self.stumbles: list[Exception] = []
        self.doors = Doors(
            Desk(
                self.broker,
                self.administration,
                metrics,
                self.dialects,
                Connections(ConnectionLimits()),
                self.access,
            ),
            drain_seconds=1.0,
            max_wait_seconds=60.0,
            browsers=Browsers(("localhost",)),
            on_error=lambda _, error: self.stumbles.append(error),
        )
        self.by_name: dict[str, Door] = {"": self.doors.native}

    def door(self, dialect: str = "") -> Door:
        """Return the broker's own door, or that of a dialect's port."""
        if dialect not in self.by_name:
            self.by_name[dialect] = self.doors.of_dialect(dialect)
        return self.by_name[dialect]

    async def admit(
        self,
        name: str,
        scopes: Mapping[Right, tuple[str, ...]] = ALL,
        expires_at: float | None = None,
        **bounds: Any,
    ) -> str:
        """Write a token into the file, and have it read; return its secret."""
        secret = new_secret()
        principal = Principal(name=name, scopes=scopes, expires_at=expires_at, **bounds)
        add_token(self.path, TokenLine(principal, digest_of(secret.encode())))
        await self.access.look()
        return secret

    async def revoke(self, name: str) -> None:
        assert revoke_token(self.path, name)
        await self.access.look()

    def begin(
        self, method: str, target: str, secret: str | None, dialect: str = "", **others: Any
    ) -> Exchange:
        headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
        headers |= others.pop("headers", {})
        return Exchange(self.door(dialect), method, target, headers=headers, **others)

    async def ask(
        self, method: str, target: str, secret: str | None, body: object = b"", dialect: str = ""
    ) -> Exchange:
        exchange = self.begin(method, target, secret, dialect)
        said = body if isinstance(body, bytes) else json.dumps(body).encode()
        await exchange.say(said, is_last=True)
        await exchange.answer()
        assert not self.stumbles
        return exchange

    async def publish(self, topic: str, *bodies: bytes) -> None:
        await self.broker.publish(topic, [Publication(bodies)])

    def lines(self, event: str) -> list[Mapping[str, object]]:
        """Return what was told of that."""
        return [facts for told, facts in self.told if told == event]
