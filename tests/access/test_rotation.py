"""Rights that change while streams are open: none ends that is lawful, each that is not does."""

from pathlib import Path

import pytest

from tests.access.gate import Gate
from tests.http.exchanges import settle

pytestmark = pytest.mark.anyio

STREAMS = 200
ROUNDS = 10


async def test_two_hundred_streams_and_ten_changes(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    kept = await gate.admit("kept")
    lawful = [gate.begin("POST", f"/subscribe/k{i}", kept) for i in range(STREAMS // 2)]
    for stream in lawful:
        await stream.say(b'"INIT"')
    old = await gate.admit("round-0")
    ended = 0
    for i in range(ROUNDS):
        unlawful = [gate.begin("POST", f"/subscribe/u{n}", old) for n in range(STREAMS // 2)]
        new = await gate.admit(f"round-{i + 1}")
        assert not any(stream.is_over for stream in unlawful), "both are good for a while"
        await gate.revoke(f"round-{i}")
        await settle()

        assert [stream.values for stream in unlawful] == [[{"closing": "forbidden"}]] * len(
            unlawful
        )
        assert (await gate.ask("POST", f"/publish/k{i}", kept)).status == 201
        assert (await gate.ask("POST", "/publish/x", old)).status == 401
        ended += len(unlawful)
        old = new
        await gate.clock.advance(6)

    assert not any(stream.is_over for stream in lawful)
    assert [len(stream.values) for stream in lawful[:ROUNDS]] == [1] * ROUNDS
    assert gate.audit.streams_ended == ended
    for stream in lawful:
        await stream.leave()
    await gate.access.look()
    assert all(account.is_idle for account in gate.access._accounts.values())
