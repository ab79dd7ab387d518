"""A report as pictures, PNG and SVG: bars of ratios, latencies, and lines of growth."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.peers.measures import HTTP1, THROUGHPUT, WAITING, measure_of
from benchmarks.peers.reduce import Figures
from benchmarks.peers.report import Report
from benchmarks.peers.tables import grown, growth_series
from benchmarks.peers.works import PERCENTILES

mpl.use("Agg")
import matplotlib.pyplot as plt

_REFERENCES = ("MiniQueue (Go)", "Redis", "before, never")
"""What bars are a multiple of: the first that has a figure."""
_NEVER, _ALWAYS, _BEFORE, _OTHER = "#0b6e99", "#5fb3d4", "#c9b37e", "#b4b9bf"
_WIDEST_TITLE = 32
_INK, _FAINT = "#22272e", "#8b949e"
_SHAPES = {"p50": "o", "p99": "D", "p99.9": "s"}
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "svg.hashsalt": "miniqueue",
    "savefig.dpi": 150,
}


def plot_all(report: Report, directory: Path) -> list[Path]:
    """Draw what there are figures for, and return the PNGs."""
    directory.mkdir(parents=True, exist_ok=True)
    figures = report.figures()
    with mpl.rc_context(_STYLE):
        drawn = (
            _bars(figures, THROUGHPUT, "Throughput: more is better", directory / "throughput"),
            _latencies(figures, directory / "latency"),
            _bars(figures, WAITING, "What waits: less is better", directory / "waiting"),
            _growth(figures, directory / "growth"),
            _bars(figures, HTTP1, "HTTP/1.1, 100 connections: more is better", directory / "http1"),
        )
    return [path for path in drawn if path is not None]


def _bars(figures: Figures, works: Sequence[str], title: str, path: Path) -> Path | None:
    """Draw a panel for each work, a bar for each contestant: the median, and the runs' spread."""
    panels = [(work, base) for work in works if (base := _reference(figures, work))]
    if not panels:
        return None
    columns = 2 if len(panels) in {2, 4} else min(3, len(panels))
    rows = -(-len(panels) // columns)
    height = max(_count(figures, work) for work, _ in panels) * 0.27 + 0.9
    picture, axes = plt.subplots(
        rows, columns, figsize=(4.1 * columns, height * rows + 0.6), squeeze=False
    )
    for axis, (work, base) in zip(axes.flat, panels, strict=False):
        _bar_panel(axis, figures, work, base)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    return _save(picture, title, path)


def _bar_panel(axis: Any, figures: Figures, work: str, base: str) -> None:
    ratios = {name: figures.ratio(name, base, work) for name in figures.contestants()}
    known = [(name, spread) for name, spread in reversed(ratios.items()) if spread is not None]
    names = [name for name, _ in known]
    values = [spread.median for _, spread in known]
    errors = [
        [spread.median - spread.low for _, spread in known],
        [spread.high - spread.median for _, spread in known],
    ]
    axis.barh(names, values, color=[_colour(name) for name in names], height=0.72)
    if max(spread.runs for _, spread in known) > 1:
        axis.errorbar(
            values, names, xerr=errors, fmt="none", ecolor=_INK, elinewidth=0.9, capsize=2
        )
    top = max(spread.high for _, spread in known)
    for name, spread in known:
        axis.annotate(
            _times(spread.median),
            (spread.high, name),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )
    axis.axvline(1, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0.5)
    axis.set_xlim(0, top * 1.17)
    axis.set_title(_in_lines(measure_of(work).title))
    axis.set_xlabel(f"multiple of {base}", color=_FAINT, size=8.5)
    _stress_ours(axis)


def _latencies(figures: Figures, path: Path) -> Path | None:
    """Draw the percentiles of each contestant on a line, from publish to delivery."""
    rates = [rate for rate in (100, 1000) if f"latency {rate}/s p50" in figures.works()]
    if not rates:
        return None
    count = max(_count(figures, f"latency {rate}/s p50") for rate in rates)
    picture, axes = plt.subplots(
        1, len(rates), figsize=(6.2 * len(rates), count * 0.34 + 1.5), squeeze=False
    )
    for axis, rate in zip(axes.flat, rates, strict=True):
        _latency_panel(axis, figures, rate)
    return _save(picture, "From publish to delivery: less is better", path)


def _latency_panel(axis: Any, figures: Figures, rate: int) -> None:
    found = {
        name: [figures.value(name, f"latency {rate}/s {percentile}") for percentile in PERCENTILES]
        for name in reversed(figures.contestants())
    }
    known = {
        name: [spread.median / 1000 for spread in spreads if spread is not None]
        for name, spreads in found.items()
        if all(spreads)
    }
    for name, values in known.items():
        axis.plot([values[0], values[-1]], [name, name], color=_colour(name), linewidth=3, zorder=1)
    for index, percentile in enumerate(PERCENTILES):
        axis.scatter(
            [values[index] for values in known.values()],
            list(known),
            marker=_SHAPES[percentile],
            color=[_colour(name) for name in known],
            edgecolors=_INK,
            linewidths=0.8,
            s=34,
            zorder=2,
            label=percentile,
        )
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_xlabel("milliseconds", color=_FAINT, size=8.5)
    axis.set_title(f"{rate:,} messages a second")
    axis.grid(axis="x", color="#e4e7eb", linewidth=0.8)
    axis.set_axisbelow(True)
    _stress_ours(axis)
    place = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.99), "ncols": len(PERCENTILES)}
    legend = axis.legend(frameon=False, fontsize=8.5, **place)
    for handle in legend.legend_handles:
        handle.set_facecolor("white")


def _growth(figures: Figures, path: Path) -> Path | None:
    """Draw a panel for what grows, a line for each work and policy: a multiple of the fewest."""
    series = [works for works in growth_series(figures) if len(works) > 1]
    panels = [
        ("topics", [works for works in series if "topics: " in works[0]]),
        ("messages that wait", [works for works in series if "waiting: " in works[0]]),
    ]
    panels = [(title, lines) for title, lines in panels if lines]
    if not panels:
        return None
    picture, axes = plt.subplots(1, len(panels), figsize=(6.2 * len(panels), 3.9), squeeze=False)
    for axis, (title, lines) in zip(axes.flat, panels, strict=True):
        _growth_panel(axis, figures, title, lines)
    return _save(picture, "How ours goes with more", path)


def _growth_panel(axis: Any, figures: Figures, title: str, lines: Sequence[list[str]]) -> None:
    numbers = sorted({grown(work) for works in lines for work in works})
    places = {number: place for place, number in enumerate(numbers)}
    for works, marker in zip(lines, "osD^v", strict=False):
        for name in ("ours, never", "ours, always"):
            spreads = [(w, figures.ratio(name, name, w, of=works[0])) for w in works]
            known = [(places[grown(w)], s) for w, s in spreads if s is not None]
            if not known:
                continue
            at = [place for place, _ in known]
            is_solid = name.endswith("never")
            axis.plot(
                at,
                [spread.median for _, spread in known],
                marker=marker,
                color=_colour(name),
                linestyle="-" if is_solid else (0, (4, 2)),
                label=f"{works[0].rpartition(', ')[0]}, {name.partition(', ')[2]}",
            )
            low = [spread.low for _, spread in known]
            high = [spread.high for _, spread in known]
            axis.fill_between(at, low, high, color=_colour(name), alpha=0.15, linewidth=0)
    axis.axhline(1, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axis.set_xticks(range(len(numbers)), [f"{number:,}" for number in numbers])
    axis.set_xlabel(title, color=_FAINT, size=8.5)
    axis.set_ylim(bottom=0)
    axis.set_ylabel(f"rate; 1 is that with {numbers[0]:,}", color=_FAINT, fontsize=8.5)
    axis.set_title(f"With more {title}")
    axis.legend(frameon=False, fontsize=8.5)


def _stress_ours(axis: Any) -> None:
    axis.tick_params(axis="y", length=0)
    for label in axis.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("ours") else "normal")


def _reference(figures: Figures, work: str) -> str | None:
    return next((name for name in _REFERENCES if figures.value(name, work)), None)


def _count(figures: Figures, work: str) -> int:
    return sum(figures.value(name, work) is not None for name in figures.contestants())


def _colour(name: str) -> str:
    if name.startswith("before"):
        return _BEFORE
    if name.startswith("ours"):
        return _NEVER if name.endswith("never") else _ALWAYS
    return _OTHER


def _in_lines(title: str) -> str:
    """Break a long title behind its first comma, or where it has to be."""
    if len(title) <= _WIDEST_TITLE:
        return title
    first, comma, rest = title.partition(", ")
    return f"{first},\n{rest}" if comma else textwrap.fill(title, _WIDEST_TITLE)


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _save(picture: Any, title: str, path: Path) -> Path:
    picture.suptitle(title, x=0.01, ha="left", size=13, weight="bold")
    picture.tight_layout(rect=(0, 0, 1, 0.99))
    for ending in ("png", "svg"):
        metadata = {"Date": None} if ending == "svg" else None
        picture.savefig(path.with_suffix(f".{ending}"), metadata=metadata)
    plt.close(picture)
    return path.with_suffix(".png")
