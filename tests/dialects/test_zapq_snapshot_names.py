"""No name of a snapshot leads out of its directory, and no link in it either."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.dialects.desk import Booth
from tests.dialects.zapq_snapshots import (
    OLD,
    encoded,
    everything_below,
    expect_refused,
    load,
    names,
    open_zapq,
    persist,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    directory = tmp_path / "around" / "snapshots"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def booth(snapshots: Path) -> Booth:
    return open_zapq(snapshots)


@pytest.mark.parametrize("page", ["/persist", "/load"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?file",
        "?file=",
        "?other=queue.json",
        "?file=..",
        "?file=.",
        "?file=.hidden",
        "?file=../queue.json",
        "?file=..%2Fqueue.json",
        "?file=%2E%2E%2Fqueue.json",
        "?file=below/../../queue.json",
        "?file=below/queue.json",
        "?file=/etc/passwd",
        "?file=%2Ftmp%2Fqueue.json",
        "?file=//",
        "?file=queue.json%00",
        "?file=%00",
        "?file=queue.json%00.txt",
        "?file=%ff",
        "?file=queue%0A.json",
        "?file=queue%1B.json",
        "?file=queue%C2%85.json",
        "?file=" + quote("queue\u2028.json"),
        "?file=" + quote("queue\u202e.json"),
        "?file=" + "x" * 256,
        "?file=" + quote("é" * 128),
        "?file=one.json&file=two.json",
    ],
)
async def test_name_that_can_name_no_snapshot_is_refused(
    booth: Booth, snapshots: Path, page: str, query: str
) -> None:
    around = snapshots.parent
    (around / "queue.json").write_text(encoded(b"from outside"))
    (snapshots / "below").mkdir()
    (snapshots / "below" / "queue.json").write_text(encoded(b"from below"))
    await booth.publish("zapq", *OLD)
    before = everything_below(around)

    answer = await booth.ask("POST", page + query)

    assert expect_refused(answer, 400).startswith("file ")
    assert everything_below(around) == before
    assert booth.bodies("zapq") == OLD


@pytest.mark.parametrize(
    "name", ["x" * 255, "é" * 127, "a b", "a..b", "..\\queue.json".lstrip("."), "%2F", "-"]
)
async def test_odd_name_is_only_a_name(booth: Booth, snapshots: Path, name: str) -> None:
    await booth.publish("zapq", *OLD)

    assert (await persist(booth, name)).status == 200
    assert (await load(booth, name)).status == 200

    assert names(snapshots) == [name]
    assert booth.bodies("zapq") == OLD


@pytest.mark.parametrize("page", ["/persist", "/load"])
async def test_without_a_directory_the_flag_is_named(page: str) -> None:
    booth = open_zapq(None)

    text = expect_refused(await booth.ask("POST", f"{page}?file=queue.json"), 500)
    assert "-zapq-snapshots" in text
    expect_refused(await booth.ask("POST", f"{page}?file=../queue.json"), 400)


@pytest.mark.parametrize("page", ["/persist", "/load"])
async def test_directory_that_is_not_there_is_told(tmp_path: Path, page: str) -> None:
    (tmp_path / "file").touch()

    for path in (tmp_path / "nowhere", tmp_path / "file"):
        booth = open_zapq(path)
        text = expect_refused(await booth.ask("POST", f"{page}?file=queue.json"), 500)
        assert "directory cannot be opened" in text


async def test_directory_may_be_a_link(tmp_path: Path, snapshots: Path) -> None:
    (tmp_path / "link").symlink_to(snapshots)
    booth = open_zapq(tmp_path / "link")

    assert (await persist(booth)).status == 200
    assert names(snapshots) == ["queue.json"]


async def test_link_is_not_followed_when_it_is_read(booth: Booth, snapshots: Path) -> None:
    outside = snapshots.parent / "outside.json"
    outside.write_text(encoded(b"from outside"))
    (snapshots / "link").symlink_to(outside)
    (snapshots / "own").write_text("[]")
    (snapshots / "near").symlink_to("own")
    await booth.publish("zapq", *OLD)

    for name in ("link", "near"):
        assert "symbolic link" in expect_refused(await load(booth, name), 500)
    assert booth.bodies("zapq") == OLD


async def test_link_is_not_followed_when_it_is_written(booth: Booth, snapshots: Path) -> None:
    outside = snapshots.parent / "outside.json"
    outside.write_text("precious")
    (snapshots / "link").symlink_to(outside)
    (snapshots / "dangling").symlink_to(snapshots.parent / "nothing")

    for name in ("link", "dangling"):
        assert (await persist(booth, name)).status == 200
        assert not (snapshots / name).is_symlink()

    assert everything_below(snapshots.parent)["outside.json"] == b"precious"
    assert not (snapshots.parent / "nothing").exists()


async def test_what_is_no_file_is_neither_read_nor_replaced(booth: Booth, snapshots: Path) -> None:
    (snapshots / "below").mkdir()
    os.mkfifo(snapshots / "pipe")
    await booth.publish("zapq", *OLD)

    assert "No such file" in expect_refused(await load(booth, "nothing"), 500)
    assert "is a directory" in expect_refused(await load(booth, "below"), 500)
    assert "no regular file" in expect_refused(await load(booth, "pipe"), 500)
    assert "is a directory" in expect_refused(await persist(booth, "below"), 500)

    assert booth.bodies("zapq") == OLD
    assert names(snapshots) == ["below", "pipe"]
