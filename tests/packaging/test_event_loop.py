"""The fastest loop that is installed."""

import sys

import pytest
import uvloop

from miniqueue_py.event_loop import has_uvloop, loop_factory


def test_uvloop_is_used_where_it_is_installed() -> None:
    assert has_uvloop()
    assert loop_factory() is uvloop.new_event_loop


def test_asyncio_has_its_own_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert not has_uvloop()
    assert loop_factory() is None
