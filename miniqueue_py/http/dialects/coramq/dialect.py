"""CoraMQ, about which nothing may be chosen."""

from dataclasses import dataclass
from typing import ClassVar

from miniqueue_py.http.dialects.dialect import Dialect, OpenDialect, Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Coramq(Dialect):
    """Queues of items with a priority, taken until a timeout."""

    name: ClassVar[str] = "coramq"

    def open(self, tools: Tools) -> OpenDialect:
        from miniqueue_py.http.dialects.coramq.requests import CoramqQueues  # noqa: PLC0415

        return CoramqQueues(tools)
