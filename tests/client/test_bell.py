"""Waiting for a bell."""

import anyio
import pytest

from miniqueue_py.client.http2.bell import Bell

pytestmark = pytest.mark.anyio


async def test_who_is_cancelled_as_it_rings_is_told_that() -> None:
    bell = Bell()
    has_heard = False
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def ring() -> None:
                bell.ring()
                scope.cancel()

            tasks.start_soon(ring)
            await bell.wait()
            has_heard = True

    assert not has_heard
