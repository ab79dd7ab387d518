"""Settings: what the broker was told, checked once.

Flags > environment > TOML file > defaults meet here and nowhere else.

Each field of Settings is one setting. Its flag, its `MINIQUEUE_` variable, its
TOML key, its default and its line of help all come from that field; every
source gives text, and the field's one parser reads it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from miniqueue_py import setting_sources as sources
from miniqueue_py.errors import BadSetting
from miniqueue_py.setting import (
    Setting,
    duration,
    one_of,
    path,
    setting,
    size,
    storage_url,
    switch,
    text,
    whole_number,
)
from miniqueue_py.units import parse_count, parse_size


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
    database: str = setting("db", storage_url, "./miniqueue", "a directory; memory: keeps nothing")
    human: bool = setting("human", switch, "false", "logs for people instead of JSON lines")
    level: Literal["disabled", "debug", "info"] = setting(
        "level",
        one_of("disabled", "debug", "info"),
        "info",
        "how much to log: disabled, debug or info",
    )
    period_seconds: float = setting(
        "period", duration("1ms", "1h"), "1s", "how often what is due returns to its topic"
    )
    port: int = setting("port", whole_number("0", "65535"), "8080", "0 takes any free port")

    host: str = setting("host", text, "", "address to listen on; none: all of this machine's")
    server: Literal["hypercorn", "granian"] = setting(
        "server", one_of("hypercorn", "granian"), "hypercorn", "hypercorn or granian"
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
        "keepalive", duration("1s", "9h"), "30s", "silence until TCP asks if the client is there"
    )
    max_message_bytes: int = setting(
        "max-message", size("1", "256M"), "1M", "the largest message, at most 256M"
    )
    max_msgs: int = setting("max-msgs", parse_count, "0", "messages kept at most; 0: no cap")
    max_bytes: int = setting("max-bytes", parse_size, "0", "bytes kept at most; 0: no cap")
    config: Path | None = setting(  # noqa: RUF009 - it is a dataclass field
        "config", path, "", "TOML file of settings, as in max-message = '2M'"
    )

    def __post_init__(self) -> None:
        if self.certificate and not self.key:
            raise BadSetting("-key", "is missing; -cert and -key go together")
        if self.key and not self.certificate:
            raise BadSetting("-cert", "is missing; -cert and -key go together")


def load_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read every source; BadSetting names the flag and what is wrong with it."""
    table = [each for _, each in settings_table()]
    told = sources.environment(table, environ) | sources.flags(table, argv)
    if "config" in told:
        told = sources.file(table, told["config"]) | told
    # Any: each value is what its own field's parser made.
    values: dict[str, Any] = {
        name: told[each.flag].read_as(each) for name, each in settings_table() if each.flag in told
    }
    return Settings(**values)


def settings_table() -> Iterator[tuple[str, Setting]]:
    """Each field's name with its setting, in the order of the help."""
    for each in fields(Settings):
        yield each.name, each.metadata["setting"]
