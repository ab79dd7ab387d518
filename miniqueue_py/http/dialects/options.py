"""What can be chosen about the dialects."""

from dataclasses import dataclass, field
from pathlib import Path

ZAPQ = "zapq"
"""The topic that is ZapQ's one queue."""

TASKS = "tasks"
"""The topic of the task queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZapqOptions:
    """ZapQ's caps, and where its snapshots are kept."""

    max_bytes: int = 256 << 20
    max_msgs: int = 50_000
    snapshots: Path | None = None
    """None: there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoldyqOptions:
    """How many queues ZoldyQ makes, and how much each of them holds."""

    capacity: int = 100_000
    max_queues: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectOptions:
    """Those of all dialects."""

    zapq: ZapqOptions = field(default_factory=ZapqOptions)
    zoldyq: ZoldyqOptions = field(default_factory=ZoldyqOptions)
