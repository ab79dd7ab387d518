"""What may be chosen about ZapQ."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from miniqueue_py.http.dialects.dialect import Dialect, OpenDialect, Tools
from miniqueue_py.setting import at_least_one, dialect_setting, path, size
from miniqueue_py.units import parse_count

TOPIC = "zapq"
"""The topic that is its one queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zapq(Dialect):
    """ZapQ's caps, and where its snapshots are kept."""

    name: ClassVar[str] = "zapq"
    other_flags: ClassVar[Mapping[str, str]] = {
        "port": "-dialect zapq=PORT",
        "max-msgs": "-zapq-max-msgs",
        "max-bytes": "-zapq-max-bytes",
    }

    max_bytes: int = dialect_setting(
        "zapq-max-bytes", size("1", "1024G"), "256M", "bytes in ZapQ's queue", "QUEUE_MAX_BYTES"
    )
    max_msgs: int = dialect_setting(
        "zapq-max-msgs",
        at_least_one(parse_count),
        "50000",
        "messages in ZapQ's queue",
        "QUEUE_MAX_MSGS",
    )
    snapshots: Path | None = dialect_setting(  # noqa: RUF009 - it is a dataclass field
        "zapq-snapshots", path, "", "the directory of /persist and /load; none: refused"
    )

    @property
    def directories(self) -> Mapping[str, Path]:
        return {} if self.snapshots is None else {"-zapq-snapshots": self.snapshots}

    def open(self, tools: Tools) -> OpenDialect:
        from miniqueue_py.http.dialects.zapq.requests import ZapqQueue  # noqa: PLC0415

        return ZapqQueue(tools, self)
