"""The benchmark beside others, as small as it can be, with nobody but ours."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.h2load import find_h2load
from benchmarks.peers.measures import HTTP1
from benchmarks.peers.tables import BEGIN, END
from tests.outside.absence import absent

PROJECT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 120
ALONE = ("--only", "ours", "--quick", "--runs", "1", "--fsync", "never")
ENOUGH_FOR_A_SECOND = "200000"
PERCENTILES = ("p50", "p99", "p99.9")


def peers(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", "peers", *words]
    return subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )


def measured(tmp_path: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Return what was kept, and what was printed."""
    kept = tmp_path / "kept.json"
    ended = peers(*ALONE, "--json", str(kept), *words)
    assert ended.returncode == 0, ended.stderr
    return json.loads(kept.read_text()), ended.stdout


def test_every_work_of_ours_comes_to_a_figure_in_json_on_the_terminal_and_on_a_page(
    tmp_path: Path,
) -> None:
    if find_h2load() is None:
        absent("h2load is not installed")
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    works = ["publish", "stream", "lock-step", "credit-100", "latency-100", "backlog", "client"]

    kept, printed = measured(tmp_path, "--works", *works, "--messages", "300", "--page", str(page))

    assert kept["failures"] == []
    assert [each["name"] for each in kept["contestants"]] == ["ours, never"]
    assert kept["machine"]["cores"] >= 1
    assert kept["scale"]["waiting"] == 300
    assert [each["work"] for each in kept["samples"]] == [
        "publish 12x1",
        "publish 12x10",
        "stream 100 B",
        "lock-step",
        "credit 100",
        *(f"latency 100/s {name}" for name in PERCENTILES),
        "memory",
        "own memory",
        "disk",
        "restart",
        "client in",
        "client out",
    ]
    assert all(each["value"] > 0 for each in kept["samples"] if "memory" not in each["work"])
    assert "| streamed publish, 100 B, 1 connection | a second | " in printed
    assert "| ours, never | " in page.read_text()


def test_ours_is_measured_with_more_topics_and_more_waiting(tmp_path: Path) -> None:
    if find_h2load() is None:
        absent("h2load is not installed")

    kept, _ = measured(tmp_path, "--works", "topics", "waiting", "--messages", "500")

    assert kept["failures"] == []
    works = {each["work"] for each in kept["samples"]}
    assert {"publish 12x10, topics: 1", "publish 12x10, topics: 100"} <= works
    assert {"lock-step, waiting: 0", "credit 1000, waiting: 500"} <= works


def test_every_busy_request_over_http_1_comes_to_a_figure(tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        absent("wrk is not installed")

    kept, _ = measured(tmp_path, "--works", "http1", "--messages", ENOUGH_FOR_A_SECOND)

    assert kept["failures"] == []
    assert {each["work"] for each in kept["samples"]} == set(HTTP1)
    assert {each["generator"] for each in kept["samples"]} == {"wrk"}


def test_a_work_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    """Nobody can consume with no messages at all."""
    kept, printed = measured(tmp_path, "--works", "stream", "lock-step", "--messages", "0")

    assert [each["work"] for each in kept["failures"]] == ["lock-step"]
    assert [each["work"] for each in kept["samples"]] == ["stream 100 B"]
    assert "Failed in run 1: ours, never, lock-step" in printed


def test_who_is_not_there_is_left_out_with_what_would_bring_them(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"

    ended = peers("--only", "miniqueue", "before", "--works", "stream", "--json", str(kept))

    assert ended.returncode == 0, ended.stderr
    told = json.loads(kept.read_text())
    assert told["left_out"] == {"MiniQueue (Go)": "--miniqueue PATH, of its binary"}
    assert told["samples"] == []


@pytest.mark.parametrize("words", [(), ("nothing",), ("peers", "--works", "nothing")])
def test_wrong_words_are_told_in_a_line(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "benchmarks", *words]

    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "usage: python -m benchmarks" in ended.stderr
