"""When a confirmed message is on the disk: the choices."""

from typing import Literal

Fsync = Literal["always", "interval", "never"]
