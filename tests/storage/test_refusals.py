"""What could not be stored is told to everybody who waits, and leaves no trace."""

import asyncio
from pathlib import Path

import pytest

from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.testing.storing import publish
from tests.storage.faulty import faulty, reopen

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]


@pytest.mark.parametrize("counter", [-1, 1 << 64])
async def test_whatever_goes_wrong_in_a_write_is_told_to_who_waits(
    tmp_path: Path, counter: int
) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", b"1")
    storage._catalogue.open("a").buried = counter  # what does not fit its record

    waiting = [asyncio.create_task(publish(storage, name, b"2")) for name in ("a", "b")]
    done, _ = await asyncio.wait(waiting, timeout=10)

    assert len(done) == 2
    for each in done:
        with pytest.raises(StorageUnavailable, match=r"struct\.error: "):
            await each
    assert storage.failure is not None
    await storage.aclose()


async def test_policy_that_could_not_be_stored_does_not_hold(tmp_path: Path) -> None:
    kept, refused = TopicPolicy(lease=7.0), TopicPolicy(is_paused=True)
    storage, _, sync = faulty(tmp_path)
    await storage.set_policy("a", kept)
    await storage.set_policy("b", kept)
    await storage.set_policy("b", DEFAULT_POLICY)
    sync.error = OSError(5, "Input/output error")
    heard: list[str] = []
    storage.watch(heard.append)

    setting = [storage.set_policy(name, refused) for name in ("a", "a", "b")]
    results = await asyncio.gather(*setting, return_exceptions=True)

    assert [type(each) for each in results] == [StorageUnavailable] * 3
    assert storage.policy("a") == kept
    assert storage.policy("b") == DEFAULT_POLICY
    assert set(heard) == {"a", "b"}
    with pytest.raises(StorageUnavailable):
        await storage.set_policy("a", refused)
    assert storage.policy("a") == kept
    await storage.aclose()
