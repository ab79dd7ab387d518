"""/persist and /load: all or nothing."""

import asyncio
import base64
import errno
import fcntl
import json
import os
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.http.dialects.zapq.requests import LONGEST_MESSAGE_BYTES
from miniqueue_py.http.dialects.zapq.snapshot_files import _in_thread
from tests.dialects.desk import Booth
from tests.dialects.zapq_snapshots import (
    MOST_BYTES,
    OLD,
    encoded,
    everything_below,
    expect_refused,
    load,
    names,
    open_zapq,
    persist,
)
from tests.http.exchanges import settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    directory = tmp_path / "around" / "snapshots"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def booth(snapshots: Path) -> Booth:
    return open_zapq(snapshots)


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond that, as on a disk that has no room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_queue_is_what_it_was_after_persist_and_load(booth: Booth, snapshots: Path) -> None:
    bodies = [b"%d" % i for i in range(1200)] + [b"", bytes(range(256)), b"x" * (128 << 10)]
    await booth.publish("zapq", *bodies)

    persisted = await persist(booth)
    await booth.ask("POST", "/clear")
    await booth.publish("zapq", *OLD)
    loaded = await load(booth)

    assert [(each.status, each.body) for each in (persisted, loaded)] == [(200, b"")] * 2
    assert booth.bodies("zapq") == bodies
    assert names(snapshots) == ["queue.json"]
    assert booth.storage.topics() == ["zapq"]


async def test_snapshot_is_read_by_people(booth: Booth, snapshots: Path) -> None:
    await booth.publish("zapq", b"hello", b"world")

    await persist(booth)

    assert (snapshots / "queue.json").read_text() == '[\n"aGVsbG8=",\n"d29ybGQ="\n]\n'


async def test_empty_queue_can_be_persisted_and_loaded(booth: Booth, snapshots: Path) -> None:
    assert (await persist(booth)).status == 200
    assert (snapshots / "queue.json").read_text() == "[]\n"

    await booth.publish("zapq", *OLD)

    assert (await load(booth)).status == 200
    assert booth.bodies("zapq") == []


async def test_persisting_takes_nothing_and_replaces_the_snapshot(
    booth: Booth, snapshots: Path
) -> None:
    (snapshots / "queue.json").write_text("whatever")
    await booth.publish("zapq", b"new")

    await persist(booth)
    await persist(booth)

    assert booth.bodies("zapq") == [b"new"]
    assert json.loads((snapshots / "queue.json").read_text()) == ["bmV3"]


async def test_snapshot_of_go_in_one_line_is_loaded(booth: Booth, snapshots: Path) -> None:
    (snapshots / "go.json").write_text('["aGVsbG8=","","d29ybGQ="]\n')

    assert (await load(booth, "go.json")).status == 200

    assert booth.bodies("zapq") == [b"hello", b"", b"world"]


async def test_loading_leaves_the_policy_and_the_counters(booth: Booth) -> None:
    policy = TopicPolicy(max_messages=10)
    await booth.administration.set_policy("zapq", policy)
    await booth.ask("POST", "/enqueue", b"one")
    await persist(booth)

    await load(booth)

    assert booth.administration.overview("zapq").policy == policy
    assert json.loads((await booth.ask("GET", "/metrics")).body)["enqueue_count"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        '{"queue":["aGk="]}',
        '["aGk="',
        '["aGk=",',
        '["aGk="]]',
        '["aGk=",7]',
        "[null]",
        '["this is not base64"]',
        '["aGk"]',
        "\0\1\2\3",
        encoded(*[b"x"] * 4000, b"y" * (LONGEST_MESSAGE_BYTES + 1)),
        encoded(*[b"x"] * 4000)[:-1],
    ],
)
async def test_bad_file_changes_nothing(booth: Booth, snapshots: Path, text: str) -> None:
    (snapshots / "queue.json").write_text(text)
    await booth.publish("zapq", *OLD)

    told = expect_refused(await load(booth), 500)

    assert told.startswith("the snapshot 'queue.json' was not loaded: it ")
    assert booth.bodies("zapq") == OLD
    assert booth.storage.topics() == ["zapq"]


async def test_snapshot_of_more_messages_than_the_queue_holds_is_refused(snapshots: Path) -> None:
    booth = open_zapq(snapshots, max_msgs=2999)
    await booth.publish("zapq", *OLD)
    (snapshots / "many").write_text(encoded(*[b"x"] * 3000))
    (snapshots / "fits").write_text(encoded(*[b"x"] * 2999))

    assert "-zapq-max-msgs" in expect_refused(await load(booth, "many"), 500)
    assert booth.bodies("zapq") == OLD
    assert (await load(booth, "fits")).status == 200
    assert len(booth.bodies("zapq")) == 2999


async def test_snapshot_of_more_bytes_than_the_queue_holds_is_refused(
    booth: Booth, snapshots: Path
) -> None:
    await booth.publish("zapq", *OLD)
    fits = [b"x" * LONGEST_MESSAGE_BYTES] * (MOST_BYTES // LONGEST_MESSAGE_BYTES)
    (snapshots / "much").write_text(encoded(*fits, b"x"))
    (snapshots / "fits").write_text(encoded(*fits))

    assert "-zapq-max-bytes" in expect_refused(await load(booth, "much"), 500)
    assert booth.bodies("zapq") == OLD
    assert (await load(booth, "fits")).status == 200
    assert booth.bodies("zapq") == fits


async def test_message_of_a_snapshot_is_no_longer_than_the_broker_takes(snapshots: Path) -> None:
    booth = open_zapq(snapshots, Limits(max_message_bytes=10))
    (snapshots / "queue.json").write_text(encoded(b"x" * 11))

    assert "longer than 10 bytes" in expect_refused(await load(booth), 500)


async def test_snapshot_for_which_there_is_no_room_leaves_the_old_one(
    booth: Booth, snapshots: Path
) -> None:
    await booth.publish("zapq", *OLD)
    await persist(booth)
    before = everything_below(snapshots)
    await booth.publish("zapq", *[b"x" * 1000] * 3000)

    with longest_file(1 << 20):
        told = expect_refused(await persist(booth), 500)

    assert "File too large" in told
    assert everything_below(snapshots) == before


async def test_snapshot_is_on_the_disk_before_it_takes_its_place_and_then_its_name_is(
    booth: Booth, snapshots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await booth.publish("zapq", *OLD)
    steps: list[tuple[str, int, int]] = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(file: int) -> None:
        found = os.fstat(file)
        steps.append(("fsync", found.st_ino, found.st_size))
        fsync(file)

    def noted_rename(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        found = os.stat(old, dir_fd=src_dir_fd)
        steps.append(("rename", found.st_ino, found.st_size))
        rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    await persist(booth)

    file, directory = (snapshots / "queue.json").stat(), snapshots.stat()
    assert steps == [
        ("fsync", file.st_ino, file.st_size),
        ("rename", file.st_ino, file.st_size),
        ("fsync", directory.st_ino, directory.st_size),
    ]


async def test_snapshot_that_may_not_outlive_the_machine_says_so(
    booth: Booth, snapshots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def fail_on_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    await booth.publish("zapq", *OLD)
    monkeypatch.setattr(os, "fsync", fail_on_directories)
    told = expect_refused(await persist(booth), 500)

    assert "the snapshot 'queue.json' was not made durable: Input/output error" in told
    assert names(snapshots) == ["queue.json"]


async def test_drafts_of_killed_writers_are_removed(snapshots: Path) -> None:
    (snapshots / ".draft-0123.tmp").write_text("[\n")
    (snapshots / "kept.json").write_text("[]")
    (snapshots / ".other.tmp").touch()
    booth = open_zapq(snapshots)
    assert names(snapshots) == [".other.tmp", "kept.json"]

    (snapshots / ".draft-4567.tmp").write_text("[\n")
    (snapshots / ".draft-link.tmp").symlink_to(snapshots / "kept.json")
    await persist(booth)

    assert names(snapshots) == [
        *(".draft-link.tmp", ".other.tmp", "kept.json", "queue.json"),
    ]


async def test_draft_that_somebody_writes_is_left_alone(booth: Booth, snapshots: Path) -> None:
    with (snapshots / ".draft-0123.tmp").open("w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)

        await persist(booth)

        assert names(snapshots) == [".draft-0123.tmp", "queue.json"]


async def test_draft_is_safe_from_another_broker_on_the_same_directory(
    booth: Booth, snapshots: Path
) -> None:
    await booth.publish("zapq", *OLD * 20_000)
    persisting = asyncio.create_task(persist(booth))
    while not any(everything_below(snapshots).values()):
        await settle()
    assert names(snapshots)[0].startswith(".draft-")

    other = open_zapq(snapshots)
    answers = [await persist(other, "other.json"), await persisting]

    assert [answer.status for answer in answers] == [200, 200]
    assert names(snapshots) == ["other.json", "queue.json"]


async def test_snapshot_shows_one_moment_whatever_happens_meanwhile(
    booth: Booth, snapshots: Path
) -> None:
    bodies = [b"%d" % i for i in range(5000)]
    await booth.publish("zapq", *bodies)

    persisting = asyncio.create_task(persist(booth))
    turns = 0
    while not persisting.done():
        assert (await booth.ask("GET", "/dequeue")).status in (200, 204)
        assert (await booth.ask("POST", "/enqueue", b"later")).status == 202
        turns += 1

    assert persisting.result().status == 200
    assert turns > 3
    kept = [base64.b64decode(each) for each in json.loads((snapshots / "queue.json").read_text())]
    first = kept.index(bodies[-1]) - len(bodies) + 1
    gone = -first  # taken before the moment came
    assert kept == bodies[gone:] + [b"later"] * (len(kept) - len(bodies) + gone)


async def test_many_at_once_have_their_turns(booth: Booth, snapshots: Path) -> None:
    await booth.publish("zapq", *OLD)
    await persist(booth)

    answers = await asyncio.gather(
        *(persist(booth) for _ in range(5)),
        *(load(booth) for _ in range(5)),
        *(persist(booth, f"{i}.json") for i in range(5)),
    )

    assert {answer.status for answer in answers} == {200}
    assert booth.bodies("zapq") == OLD
    assert len(names(snapshots)) == 6
    assert len(set(everything_below(snapshots).values())) == 1


async def test_one_draft_takes_room_at_a_time(booth: Booth, snapshots: Path) -> None:
    await booth.publish("zapq", *OLD * 2000)

    persisting = asyncio.gather(*(persist(booth, f"{i}.json") for i in range(5)))
    most = 0
    while not persisting.done():
        await settle()
        most = max(most, sum(name.startswith(".") for name in names(snapshots)))

    assert most == 1
    assert {answer.status for answer in persisting.result()} == {200}


@pytest.mark.parametrize("page", ["/persist", "/load"])
async def test_client_that_leaves_has_changed_all_or_nothing(
    booth: Booth, snapshots: Path, page: str
) -> None:
    new = [b"new %d" % i for i in range(20_000)]
    (snapshots / "queue.json").write_text(encoded(*new))
    before = everything_below(snapshots)
    await booth.publish("zapq", *OLD * 5000)

    others = asyncio.all_tasks()
    leaving = booth.begin("POST", f"{page}?file=queue.json")
    await leaving.say(b"", is_last=True)
    its_own = asyncio.all_tasks() - others
    await leaving.leave()
    await asyncio.wait(its_own)

    assert not leaving.is_begun
    assert everything_below(snapshots) == before
    assert booth.bodies("zapq") == OLD * 5000
    assert booth.storage.topics() == ["zapq"]
    assert (await load(booth)).status == 200
    assert booth.bodies("zapq") == new


async def test_who_is_cancelled_leaves_no_thread_behind_at_work_on_a_file() -> None:
    may_end = threading.Event()
    working = asyncio.create_task(_in_thread(may_end.wait))
    await settle()

    for _ in range(2):
        working.cancel()
        await settle()
        assert not working.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await working
