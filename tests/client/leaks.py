"""What is alive in this process: sockets and tasks, to be compared before and after."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import anyio.lowlevel
import sniffio
import trio

_TURNS = 20


def open_sockets() -> set[str]:
    """Every socket of this process, each by the kernel's number."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue  # the one that the listing itself is read by
        if target.startswith("socket:"):
            found.add(target)
    return found


def living_tasks() -> set[object]:
    """Every task of the loop that this runs in."""
    if sniffio.current_async_library() == "trio":
        root = trio.lowlevel.current_root_task()
        return set() if root is None else set(_family(root))
    return {task for task in asyncio.all_tasks() if not _is_of_pytest(task)}


async def expect_no_new_task(before: set[object]) -> None:
    """Nothing runs on that did not run before; what is at its very end may end."""
    for _ in range(_TURNS):
        if living_tasks() <= before:
            return
        await anyio.lowlevel.checkpoint()
    left = living_tasks() - before
    assert not left, f"tasks were left behind: {left}"


def rss_bytes() -> int:
    """What of this process is in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def _is_of_pytest(task: "asyncio.Task[object]") -> bool:
    return "TestRunner." in str(getattr(task.get_coro(), "__qualname__", ""))


def _family(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _family(child)
