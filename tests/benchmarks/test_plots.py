"""The pictures: drawn where matplotlib is, from the figures that there are."""

from pathlib import Path

import pytest

from tests.benchmarks.samples import report

plots = pytest.importorskip("benchmarks.peers.plots", reason="matplotlib is in the extra `bench`")


def test_there_is_a_picture_of_everything_measured_as_png_and_svg(tmp_path: Path) -> None:
    drawn = plots.plot_all(report(), tmp_path)

    names = {"throughput", "waiting", "http1", "latency", "growth"}
    assert set(drawn) == set(tmp_path.glob("*.png"))
    assert {path.stem for path in drawn} == names
    assert {path.stem for path in tmp_path.glob("*.svg")} == names


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    told = report()
    told.samples = [sample for sample in told.samples if sample.work == "disk"]

    drawn = plots.plot_all(told, tmp_path)

    assert drawn == [tmp_path / "waiting.png"]
    assert {path.name for path in tmp_path.iterdir()} == {"waiting.png", "waiting.svg"}
