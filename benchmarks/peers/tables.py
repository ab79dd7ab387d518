"""A report as tables in Markdown: for the terminal, and for a page between two markers."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.peers.measures import HTTP1, MEASURES, measure_of
from benchmarks.peers.reduce import Figures, Spread
from benchmarks.peers.report import Report

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"

_POLICIES = ("never", "always")
_MATTERS_MOST = (
    ("publish 12x1", "MiniQueue (Go)"),
    ("publish 12x10", "MiniQueue (Go)"),
    ("publish 12x10", "NATS JetStream"),
    ("lock-step", "MiniQueue (Go)"),
    ("lock-step", "NATS JetStream"),
    ("stream 100 B", "Redis"),
    ("credit 1000", "Redis"),
    ("latency 100/s p50", "MiniQueue (Go)"),
    ("latency 100/s p99", "MiniQueue (Go)"),
)
_GROWTH_MARKS = (", topics: ", ", waiting: ")
_NONE = ""


def write_page(path: Path, report: Report, pictures: Sequence[Path] = ()) -> None:
    """Put pictures and tables in place of what is between the markers of a page."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no lines {BEGIN} and {END}")
    shown = [
        f"![{picture.stem}]({os.path.relpath(picture, path.parent)})\n\n" for picture in pictures
    ]
    path.write_text(f"{before}{BEGIN}\n\n{''.join(shown)}{render(report)}\n{END}{after}")


def render(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    figures = report.figures()
    machine = report.machine
    yield f"Commit {report.commit or 'unknown'}, {report.started}, runs: {report.runs()}. "
    yield f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
    yield f"{machine['system']}; Python {machine['python']}, {machine['openssl']}."
    names = figures.contestants()
    others = [name for name in names if "," not in name]
    yield from _in_short(figures)
    for policy in _POLICIES:
        ours = f"ours, {policy}"
        if ours in names and others:
            yield from _beside(figures, ours, others)
    yield from _before(figures, names)
    yield from _growth(figures, names)
    yield from _medians(figures, names)
    yield from _shares(figures, names)
    yield from _settings(report)


def _in_short(figures: Figures) -> Iterator[str]:
    """Show what matters most, both policies beside each other."""
    rows = []
    for work, other in _MATTERS_MOST:
        spreads = [figures.ratio(f"ours, {policy}", other, work) for policy in _POLICIES]
        if any(spreads):
            rows.append([_title(work), other, *map(_ratio, spreads)])
    if rows:
        yield from _heading("In short")
        heads = [f"`-fsync {policy}`" for policy in _POLICIES]
        yield from _table(["work", "ours, as a multiple of", *heads], rows)


def _beside(figures: Figures, ours: str, others: Sequence[str]) -> Iterator[str]:
    """Show ours as a multiple of each other."""
    policy = ours.partition(", ")[2]
    yield from _heading(f"Ours with `-fsync {policy}`, as a multiple of")
    rows = []
    for work in _known(figures, MEASURES):
        cells = [_ratio(figures.ratio(ours, other, work)) for other in others]
        if any(cells):
            rows.append([_title(work), *cells])
    yield from _table(["work", *others], rows)


def _before(figures: Figures, names: Sequence[str]) -> Iterator[str]:
    """Show ours as a multiple of the other checkout, under the same policy."""
    pairs = [(f"ours, {policy}", f"before, {policy}") for policy in _POLICIES]
    pairs = [pair for pair in pairs if set(pair) <= set(names)]
    if not pairs:
        return
    yield from _heading("Ours, as a multiple of ours before")
    rows = []
    for work in _known(figures, MEASURES):
        cells = [_ratio(figures.ratio(now, before, work)) for now, before in pairs]
        if any(cells):
            rows.append([_title(work), *cells])
    heads = [f"`-fsync {now.partition(', ')[2]}`" for now, _ in pairs]
    yield from _table(["work", *heads], rows)


def _growth(figures: Figures, names: Sequence[str]) -> Iterator[str]:
    """Show how ours goes with more topics and messages, as a multiple of the fewest."""
    ours = [name for name in names if name.startswith("ours, ")]
    rows = []
    for series in growth_series(figures):
        for work in series[1:]:
            cells = [_ratio(figures.ratio(name, name, work, of=series[0])) for name in ours]
            rows.append([work, series[0], *cells])
    if rows:
        yield from _heading("Ours with more topics, and with more that waits")
        heads = [f"`-fsync {name.partition(', ')[2]}`" for name in ours]
        yield from _table(["work", "as a multiple of", *heads], rows)


def growth_series(figures: Figures) -> list[list[str]]:
    """Return the works of growth, by what grows, the smallest first."""
    series: dict[str, list[str]] = {}
    for work in figures.works():
        for mark in _GROWTH_MARKS:
            if mark in work:
                series.setdefault(work.partition(mark)[0] + mark, []).append(work)
    return [sorted(works, key=grown) for works in series.values()]


def grown(work: str) -> int:
    """Return the number in the name of a work of growth."""
    return int(work.rpartition(": ")[2].replace(",", ""))


def _medians(figures: Figures, names: Sequence[str]) -> Iterator[str]:
    yield from _heading("Medians, of this machine only")
    rows = []
    for work in figures.works():
        spreads = [figures.value(name, work) for name in names]
        cells = [_NONE if spread is None else _number(spread.median) for spread in spreads]
        rows.append([_title(work), measure_of(work).unit, *cells])
    yield from _table(["work", "unit", *names], rows)


def _shares(figures: Figures, names: Sequence[str]) -> Iterator[str]:
    yield from _heading("Load generator / server, in % of a core")
    rows = []
    for work in figures.works():
        cells = [_share(figures.shares(name, work)) for name in names]
        is_told_above = work.endswith(("p99", "p99.9"))
        if any(cells) and not is_told_above:
            generators = {s.generator for s in figures.samples if s.work == work}
            rows.append([_title(work), ", ".join(sorted(generators)), *cells])
    yield from _table(["work", "generator", *names], rows)


def _settings(report: Report) -> Iterator[str]:
    yield from _heading("Who took part")
    rows = [
        [each.name, each.version, each.settings, each.batch, _reasons(each.cannot)]
        for each in report.contestants
    ]
    yield from _table(["broker", "version", "settings", "credit or batch", "not measured"], rows)
    if report.left_out:
        yield ""
        told = [f"{name} ({reason})" for name, reason in report.left_out.items()]
        yield f"Left out: {'; '.join(told)}."
    for failure in report.failures:
        yield ""
        yield f"Failed in run {failure.run}: {failure.contestant}, {failure.work}: `{failure.text}`"


def _reasons(cannot: dict[str, str]) -> str:
    return "; ".join(f"{work}: {reason}" for work, reason in cannot.items())


def _known(figures: Figures, wanted: Iterable[str]) -> list[str]:
    found = set(figures.works())
    return [work for work in wanted if work in found]


def _title(work: str) -> str:
    measure = measure_of(work)
    text = f"{measure.title}, over 100 connections" if work in HTTP1 else measure.title
    return f"{text} (less is better)" if measure.is_less_better else text


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield f"### {text}"
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _ratio(spread: Spread | None) -> str:
    """Show the median, and in brackets the lowest and the highest of the runs."""
    if spread is None:
        return _NONE
    middle = f"**{_number(spread.median)}**"
    if spread.runs == 1:
        return middle
    return f"{middle} ({_number(spread.low)} - {_number(spread.high)})"


def _number(value: float) -> str:
    """Show two or three digits that count, and no more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _share(shares: tuple[float, float | None] | None) -> str:
    if shares is None:
        return _NONE
    generator, server = shares
    return f"{generator * 100:.0f}" + ("" if server is None else f" / {server * 100:.0f}")
