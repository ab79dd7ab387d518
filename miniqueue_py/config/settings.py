"""Settings: what the broker was told, checked once.

Flags > environment > TOML file > defaults meet here and nowhere else.

Each field of Settings, and of a dialect, is one setting. Its flag, its
`MINIQUEUE_` variable, its TOML key, its default and its line of help all come
from that field; every source gives text, and the field's one parser reads it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from miniqueue_py.config import sources
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.dialects.address import DialectAddress, parse_dialects
from miniqueue_py.http.dialects.dialect import Dialect
from miniqueue_py.http.dialects.known import DIALECTS
from miniqueue_py.setting import (
    Setting,
    access_setting,
    brokers_setting,
    duration,
    host_names,
    limit_setting,
    one_of,
    only_server,
    origins,
    path,
    setting,
    size,
    storage_url,
    switch,
    text,
    whole_number,
)
from miniqueue_py.units import parse_count, parse_size

Level = Literal["disabled", "debug", "info", "warn", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be chosen about a broker; Settings() has the defaults."""

    # MiniQueue's own come first, and in the help too.
    certificate: Path | None = setting(  # noqa: RUF009 - it is a dataclass field
        "cert", path, "", "certificate, PEM; none: one is made in certs/"
    )
    key: Path | None = setting(  # noqa: RUF009 - it is a dataclass field
        "key", path, "", "its private key, PEM, without a password"
    )
    database: str = setting(
        "db", storage_url, "./miniqueue", "a directory, or leveldb:DIR, rocksdb:DIR, memory:"
    )
    human: bool = setting("human", switch, "false", "logs for people instead of JSON lines")
    level: Level = setting(  # noqa: RUF009 - it is a dataclass field
        "level",
        one_of(*LEVELS),
        "info",
        "how much to log: disabled, debug, info, warn or error",
    )
    period_seconds: float = setting(
        "period", duration("1ms", "1h"), "1s", "how often what is due returns to its topic"
    )
    port: int = setting("port", whole_number("0", "65535"), "8080", "0 takes any free port")

    host: str = setting("host", text, "", "address to listen on; none: loopback; '*': all")
    insecure: bool = access_setting(
        "insecure", switch, "false", "let others listen in on -dialect ports"
    )
    tls_min: Literal["1.2", "1.3"] = access_setting(
        "tls-min", one_of("1.2", "1.3"), "1.2", "the oldest version of TLS that is spoken"
    )
    allow_hosts: tuple[str, ...] = access_setting(
        "allow-host",
        host_names,
        "",
        "a name of the broker that its certificate lacks",
        is_list=True,
    )
    allow_origins: tuple[str, ...] = access_setting(
        "allow-origin", origins, "", "https://NAME, whose pages may ask from browsers", is_list=True
    )
    server: Literal["hypercorn"] = setting(
        "server", only_server, "hypercorn", "the only one there is"
    )
    fsync: Literal["always", "interval", "never"] = setting(
        "fsync",
        one_of("always", "interval", "never"),
        "always",
        "always before confirming, at an interval, or never",
    )
    fsync_interval_seconds: float = setting(
        "fsync-interval", duration("1ms", "1m"), "50ms", "the interval of -fsync interval"
    )
    drain_seconds: float = setting(
        "drain", duration("0", "24h"), "10s", "when stopping, time to settle what is in flight"
    )
    keepalive_seconds: float = setting(
        "keepalive", duration("1s", "9h"), "30s", "silence until a client is asked if it is there"
    )
    max_wait_seconds: float = limit_setting(
        "max-wait", duration("1s", "24h"), "1m", "a request to /receive waits no longer"
    )
    max_connections: int = limit_setting(
        "max-connections", parse_count, "0", "open at once; 0: as many as descriptors allow"
    )
    max_connections_per_address: int = limit_setting(
        "max-connections-per-address", parse_count, "0", "of them by one address; 0: no bound"
    )
    max_message_bytes: int = setting(
        "max-message", size("1", "256M"), "1M", "the largest message, at most 256M"
    )
    max_msgs: int = setting("max-msgs", parse_count, "0", "messages kept at most; 0: no cap")
    max_bytes: int = setting("max-bytes", parse_size, "0", "bytes kept at most; 0: no cap")
    broker_lease_seconds: float = brokers_setting(
        "broker-lease",
        duration("1s", "1h"),
        "10s",
        "a broker that is not heard of for so long is gone: others deliver what it held",
    )
    confirm: Literal["strongest", "local", "remote", "applied"] = brokers_setting(
        "confirm",
        one_of("strongest", "local", "remote", "applied"),
        "strongest",
        "what 201 waits for: as the database is set up, or its disk, or a standby's, or its pages",
    )
    tokens: Path | None = access_setting(  # noqa: RUF009 - it is a dataclass field
        "tokens", path, "", "file of those who may ask; none: everybody may do everything"
    )
    oidc_issuer: str = access_setting(
        "oidc-issuer", text, "", "https://..., whose tokens are taken; see claim= of -tokens"
    )
    oidc_audience: str = access_setting("oidc-audience", text, "", "for whom these are meant: us")
    client_ca: Path | None = access_setting(  # noqa: RUF009 - it is a dataclass field
        "client-ca", path, "", "CAs of client certificates, PEM; see cert= of -tokens"
    )
    require: Literal["any", "both"] = access_setting(
        "require", one_of("any", "both"), "any", "a token or a client certificate, or both"
    )
    dialects: tuple[DialectAddress, ...] = setting(
        "dialect",
        parse_dialects,
        "",
        "NAME=PORT, for another API (serve -h dialects)",
        is_list=True,
    )
    config: Path | None = setting(  # noqa: RUF009 - it is a dataclass field
        "config", path, "", "TOML file of settings, as in max-message = '2M'"
    )

    of_dialects: tuple[Dialect, ...] = tuple(dialect() for dialect in DIALECTS)
    """What is chosen about each of them: its own settings."""

    def __post_init__(self) -> None:
        if self.certificate and not self.key:
            raise BadSetting("-key", "is missing; -cert and -key go together")
        if bool(self.oidc_issuer) != bool(self.oidc_audience):
            missing = "-oidc-audience" if self.oidc_issuer else "-oidc-issuer"
            raise BadSetting(missing, "is missing; -oidc-issuer and -oidc-audience go together")
        if self.oidc_issuer and self.tokens is None:
            raise BadSetting("-tokens", "is missing; its lines with claim= say what tokens may")
        if self.oidc_issuer and not self.oidc_issuer.startswith("https://"):
            raise BadSetting("-oidc-issuer", f"{self.oidc_issuer!r} does not begin with https://")
        if self.client_ca and self.tokens is None:
            raise BadSetting("-tokens", "is missing; its lines with cert= say who may do what")
        if self.require == "both" and not self.client_ca:
            raise BadSetting("-client-ca", "is missing; -require both wants its certificates")
        if self.key and not self.certificate:
            raise BadSetting("-cert", "is missing; -cert and -key go together")


def has_access_control(settings: Settings) -> bool:
    """Tell if clients can be told apart, so that the broker may be open to all addresses."""
    return settings.tokens is not None


def load_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read every source; BadSetting names the flag and what is wrong with it."""
    table = [each for _, _, each in settings_table()]
    told = sources.environment(table, environ) | sources.flags(table, argv)
    if "config" in told:
        told = sources.file(table, told["config"]) | told
    for dialect in DIALECTS:
        _hear_port(dialect, told, environ)
    # Any: each value is what its own field's parser made.
    values: defaultdict[type, dict[str, Any]] = defaultdict(dict)
    for owner, name, each in settings_table():
        if each.flag in told:
            values[owner][name] = told[each.flag].read_as(each)
    of_dialects = tuple(dialect(**values[dialect]) for dialect in DIALECTS)
    return Settings(of_dialects=of_dialects, **values[Settings])


def _hear_port(
    dialect: type[Dialect], told: dict[str, sources.Told], environ: Mapping[str, str]
) -> None:
    """Take the port of a dialect's system for an address of it, if no other one is given."""
    port = environ.get(dialect.port_variable)
    given = told.get("dialect", sources.Told(""))
    if not port or f"{dialect.name}=" in given.text:
        return
    host = environ.get(dialect.host_variable, "")
    mine = f"{dialect.name}={host}:{port}"
    others = f"{given.text}," if given.text else ""
    told["dialect"] = sources.Told(others + mine, given.place or dialect.port_variable)


def settings_table() -> Iterator[tuple[type, str, Setting]]:
    """Yield each setting with its field and whose it is, in the order of the help."""
    aliases = {flag: variable for each in DIALECTS for flag, variable in each.aliases.items()}
    owners: tuple[type, ...] = (Settings, *DIALECTS)
    for owner in owners:
        for each in fields(owner):
            about: Setting | None = each.metadata.get("setting")
            if about is None:
                continue
            if about.flag in aliases:
                about = replace(about, alias=aliases[about.flag])
            yield owner, each.name, about
