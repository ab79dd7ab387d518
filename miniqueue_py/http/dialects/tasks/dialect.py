"""The task queue, about which nothing may be chosen: its topic's policy is for that."""

from dataclasses import dataclass
from typing import ClassVar

from miniqueue_py.http.dialects.dialect import Dialect, OpenDialect, Tools

TOPIC = "tasks"
"""The topic of the tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks(Dialect):
    """What is to be done is posted, and done at least once."""

    name: ClassVar[str] = "tasks"

    def open(self, tools: Tools) -> OpenDialect:
        from miniqueue_py.http.dialects.tasks.requests import TaskQueue  # noqa: PLC0415

        return TaskQueue(tools)
