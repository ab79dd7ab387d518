"""A log that ends in zeros is cut there and kept aside; where good records follow it is refused."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from miniqueue_py.cli.inspect import inspect
from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage.keyvalue.log_tail import LOST
from miniqueue_py.testing.storing import bodies, lease, publish
from tests.storage.faulty import reopen
from tests.storage.hurting import flip

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

BLOCK = 32 << 10
HEADER = 7


async def write_log(path: Path, sizes: Sequence[int]) -> tuple[list[bytes], list[int]]:
    """Publish one by one; return the messages, and how long the log was after each."""
    storage = reopen(path)
    await publish(storage, "a", b"first")
    [log] = path.glob("*.log")
    sent, ends = [b"first"], [log.stat().st_size]
    for number, size in enumerate(sizes):
        sent.append(b"%d" % number + b"x" * size)
        await publish(storage, "a", sent[-1])
        ends.append(log.stat().st_size)
    await storage.aclose()
    return sent, ends


def zero_from(log: Path, at: int, size: int) -> None:
    """Leave zeros behind a place, up to a length."""
    data = log.read_bytes()[:at]
    log.write_bytes(data + bytes(size - len(data)))


@pytest.mark.parametrize("seed", range(40))
async def test_zeros_after_the_last_synced_record_cost_nothing_that_was_synced(
    tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    path = tmp_path / "db"
    sent, ends = await write_log(path, [random.choice([10, 500, 9_000, 70_000]) for _ in range(12)])
    [log] = path.glob("*.log")
    synced = random.randrange(3, len(sent) - 1)
    torn_at = random.randrange(ends[synced], ends[-1])
    size = random.choice([ends[-1], ends[-1] // 4096 * 4096 + 4096, ends[-1] + 3 * BLOCK])
    zero_from(log, torn_at, size)
    hurt = log.read_bytes()

    storage = reopen(path)

    taken = bodies(lease(storage, "a", 100))
    assert taken == sent[: len(taken)], seed
    assert len(taken) >= synced + 1, seed
    for what in storage.damages:
        assert f"{log.name} ended in zeros, as after a power cut: it was cut to " in what
        assert (path / LOST / log.name).read_bytes() == hurt
    await publish(storage, "a", b"more")
    await storage.aclose()
    await reopen(path).aclose()


async def test_header_with_zeros_for_its_body_is_cut_off(tmp_path: Path) -> None:
    sent, ends = await write_log(tmp_path, [100, 100])
    [log] = tmp_path.glob("*.log")
    zero_from(log, ends[1] + HEADER, ends[2])

    storage = reopen(tmp_path)

    assert bodies(lease(storage, "a", 100)) == sent[:2]
    assert len(storage.damages) == 1
    await storage.aclose()


async def test_second_power_cut_keeps_a_second_copy(tmp_path: Path) -> None:
    _, ends = await write_log(tmp_path / "db", [100, 100])
    [log] = (tmp_path / "db").glob("*.log")
    zero_from(log, ends[1] + HEADER, ends[2])
    (tmp_path / "db" / LOST).mkdir()
    (tmp_path / "db" / LOST / log.name).write_bytes(b"of an earlier one")

    storage = reopen(tmp_path / "db")

    assert f"as lost/{log.name}.1" in storage.damages[0]
    assert (tmp_path / "db" / LOST / log.name).read_bytes() == b"of an earlier one"
    await storage.aclose()


async def test_bad_record_before_good_ones_is_refused_and_nothing_changed(tmp_path: Path) -> None:
    _, ends = await write_log(tmp_path, [100, 100])
    [log] = tmp_path.glob("*.log")
    data = log.read_bytes()
    zeroed = slice(ends[0] + HEADER, ends[1])
    log.write_bytes(data[: zeroed.start] + bytes(ends[1] - zeroed.start) + data[ends[1] :])
    hurt = log.read_bytes()

    with pytest.raises(DatabaseRefused, match=r"checksum mismatch; `miniqueue repair /"):
        reopen(tmp_path)

    assert log.read_bytes() == hurt
    assert not (tmp_path / LOST).exists()


async def test_zeros_where_the_first_record_begins_are_refused_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, ends = await write_log(tmp_path, [400] * 5)
    [log] = tmp_path.glob("*.log")
    log.write_bytes(bytes(512) + log.read_bytes()[512:])
    assert ends[-1] > 1024

    with pytest.raises(DatabaseRefused, match=f"{log.name} has zeros in its middle"):
        reopen(tmp_path)
    assert inspect([str(tmp_path)]) == 1
    assert f"{log.name} has zeros in its middle" in capsys.readouterr().err


async def test_flip_in_the_last_record_is_refused(tmp_path: Path) -> None:
    _, ends = await write_log(tmp_path, [100, 100])
    [log] = tmp_path.glob("*.log")
    flip(log, ends[1] + HEADER + 5)

    with pytest.raises(DatabaseRefused, match="checksum mismatch"):
        reopen(tmp_path)


async def test_zeros_in_an_older_log_are_cut_where_the_newer_holds_nothing(tmp_path: Path) -> None:
    sent, ends = await write_log(tmp_path, [100, 100])
    [log] = tmp_path.glob("*.log")
    zero_from(log, ends[1] + HEADER, ends[2])
    (tmp_path / f"{int(log.stem) + 50:06}.log").write_bytes(bytes(4096))

    storage = reopen(tmp_path)

    assert bodies(lease(storage, "a", 100)) == sent[:2]
    await storage.aclose()
    shutil.rmtree(tmp_path / LOST)
