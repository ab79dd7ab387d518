"""`miniqueue topics` where there are none."""

from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import pytest

from miniqueue_py.cli import topics


class Empty:
    """A broker without topics."""

    async def topics(self) -> AsyncIterator[Any]:
        nothing: tuple[Any, ...] = ()
        for topic in nothing:
            yield topic


@pytest.mark.parametrize("form", [[], ["--names"], ["--json"]])
def test_broker_without_topics_says_so_and_leaves_stdout_alone(
    form: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: Namespace, work: Callable[[Any, Any], Coroutine[Any, Any, int]]) -> int:
        return anyio.run(work, Empty(), None)

    monkeypatch.setattr(topics, "run", run)

    assert topics.topics(form) == 0

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "miniqueue: there are no topics; the first publish to one makes it\n"
