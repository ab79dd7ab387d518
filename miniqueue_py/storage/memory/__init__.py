"""The engine that keeps nothing."""

from miniqueue_py.storage.memory.engine import MemoryStorage

__all__ = ["MemoryStorage"]
