"""From the figures of several runs to ratios and their spread."""

import pytest

from benchmarks.peers.reduce import Figures, Spread
from benchmarks.peers.sample import Sample
from tests.benchmarks.samples import sample

OURS, OTHER, WORK = "ours, never", "Redis", "lock-step"


def test_a_ratio_is_taken_within_each_run_and_its_spread_over_the_runs() -> None:
    """The medians of both, 200 and 100, would say 2."""
    ours = [sample(run, OURS, WORK, value) for run, value in ((1, 100), (2, 200), (3, 900))]
    other = [sample(run, OTHER, WORK, value) for run, value in ((1, 100), (2, 50), (3, 300))]

    assert Figures(ours + other).ratio(OURS, OTHER, WORK) == Spread(3.0, 1.0, 4.0, 3)


def test_a_run_in_which_one_of_both_failed_does_not_count() -> None:
    figures = Figures(
        [sample(1, OURS, WORK, 100), sample(1, OTHER, WORK, 50), sample(2, OURS, WORK, 900)]
    )

    assert figures.ratio(OURS, OTHER, WORK) == Spread(2.0, 2.0, 2.0, 1)
    assert figures.value(OURS, WORK) == Spread(500.0, 100.0, 900.0, 2)


def test_what_was_never_measured_in_the_same_run_has_no_ratio() -> None:
    figures = Figures([sample(1, OURS, WORK, 100), sample(2, OTHER, WORK, 50)])

    assert figures.ratio(OURS, OTHER, WORK) is None
    assert figures.ratio(OURS, OTHER, "credit 100") is None


def test_nothing_is_a_multiple_of_zero() -> None:
    figures = Figures([sample(1, OURS, "memory", 100), sample(1, OTHER, "memory", 0)])

    assert figures.ratio(OURS, OTHER, "memory") is None


def test_a_work_stands_to_another_of_the_same_contestant() -> None:
    figures = Figures([sample(1, OURS, "few", 100), sample(1, OURS, "many", 80)])

    assert figures.ratio(OURS, OURS, "many", of="few") == Spread(0.8, 0.8, 0.8, 1)


def test_the_shares_of_a_core_are_medians_and_left_out_where_there_was_no_load() -> None:
    loaded = [Sample(run, OURS, WORK, 1, "own", run / 10, run / 5) for run in (1, 2, 3)]
    figures = Figures([*loaded, Sample(1, OURS, "disk", 130)])

    assert figures.shares(OURS, WORK) == pytest.approx((0.2, 0.4))
    assert figures.shares(OURS, "disk") is None
