"""What may be chosen about ZoldyQ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from miniqueue_py.http.dialects.dialect import Dialect, OpenDialect, Tools
from miniqueue_py.setting import at_least_one, dialect_setting
from miniqueue_py.units import parse_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoldyq(Dialect):
    """How many queues ZoldyQ makes, and how much each of them holds."""

    name: ClassVar[str] = "zoldyq"
    port_variable: ClassVar[str] = "ZOLDYQ_PORT"
    host_variable: ClassVar[str] = "ZOLDYQ_HOST"
    aliases: ClassVar[Mapping[str, str]] = {"level": "ZOLDYQ_LOG_LEVEL"}

    capacity: int = dialect_setting(
        "zoldyq-capacity",
        at_least_one(parse_count),
        "100000",
        "messages in each of ZoldyQ's queues",
        "ZOLDYQ_DEFAULT_QUEUE_CAPACITY",
    )
    max_queues: int = dialect_setting(
        "zoldyq-max-queues",
        at_least_one(parse_count),
        "100",
        "topics at which ZoldyQ makes no more",
        "ZOLDYQ_MAX_QUEUES",
    )

    def open(self, tools: Tools) -> OpenDialect:
        from miniqueue_py.http.dialects.zoldyq.opened import OpenZoldyq  # noqa: PLC0415

        return OpenZoldyq(tools, self)
