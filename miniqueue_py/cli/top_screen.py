"""How `miniqueue top` looks: as many columns and rows as the terminal has room for."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from miniqueue_py.cli.legible import counted, legible
from miniqueue_py.cli.output import age_in_words, size_in_words
from miniqueue_py.cli.top_figures import Figures, Rates, Row

_GAP = 2
_NARROWEST_NAME = 15
_WIDEST_NAME = 64
_ROOM_FOR_WORDS = 28
"""A name's column is so wide where `paused` stands behind it in full."""

_HEAD_LINES = 4
"""What and where, totals, a gap, and the heads of the columns."""


class _Column(NamedTuple):
    head: str
    width: int
    cell: Callable[[Row], str]


def _rate(of: Callable[[Rates], float]) -> Callable[[Row], str]:
    return lambda row: rate_in_words(None if row.rates is None else of(row.rates))


_COLUMNS = (
    _Column("ready", 6, lambda row: short(row.topic.ready)),
    _Column("flight", 6, lambda row: short(row.topic.in_flight)),
    _Column("delayed", 7, lambda row: short(row.topic.delayed)),
    _Column("pub/s", 6, _rate(lambda rates: rates.published)),
    _Column("deliv/s", 7, _rate(lambda rates: rates.delivered)),
    _Column("ack/s", 6, _rate(lambda rates: rates.acknowledged)),
    _Column("dead/s", 6, _rate(lambda rates: rates.dead_lettered)),
    _Column("oldest", 7, lambda row: age_in_words(row.topic.oldest_age_seconds)),
    _Column("cons", 5, lambda row: short(row.topic.consumers)),
    _Column("size", 6, lambda row: size_in_words(row.topic.bytes)),
    _Column("published", 9, lambda row: short(row.topic.published)),
    _Column("delivered", 9, lambda row: short(row.topic.delivered)),
    _Column("acked", 6, lambda row: short(row.topic.acknowledged)),
    _Column("expired", 7, lambda row: short(row.topic.expired)),
    _Column("died", 6, lambda row: short(row.topic.dead_lettered)),
)
"""As they stand, behind the name."""

_LEAST_NEEDED_FIRST = (
    "expired",
    "delivered",
    "acked",
    "published",
    "died",
    "size",
    "deliv/s",
    "dead/s",
    "cons",
    "delayed",
    "oldest",
    "flight",
    "ack/s",
    "pub/s",
)
"""What is left out where there is no room."""


class View(NamedTuple):
    """What is to be seen."""

    url: str
    figures: Figures
    time: str
    trouble: str | None = None
    """Why there are no newer figures."""


def draw(view: View, width: int, height: int) -> Text:
    """Return a screen of that size: no line is longer, and there are no more lines."""
    lines = [*_head(view, width), *_table(view, width, max(0, height - _HEAD_LINES))]
    for line in lines:
        line.truncate(width, overflow="crop")
    return Text("\n", no_wrap=True, overflow="crop").join(lines[:height])


def _head(view: View, width: int) -> Iterator[Text]:
    url = legible(view.url)
    title = Text.assemble(("miniqueue top", "bold"), "  ", (url, "cyan"))
    right = f"{view.time}  q leaves"
    if view.trouble is not None:
        title = Text.assemble(("miniqueue top", "bold"), "  ", (url, "bold red"))
    room = width - title.cell_len - len(right)
    yield Text.assemble(title, " " * room, (right, "dim")) if room > _GAP else title
    if view.trouble is None:
        yield _totals(view.figures, width)
    else:
        yield Text(fit(legible(view.trouble), width), "bold red")
    yield Text()


def _totals(figures: Figures, width: int) -> Text:
    """Return as much of the totals as fits, the most wanted first."""
    totals = figures.totals
    rates = totals.rates
    facts = [
        (counted(totals.topics, "topic"), ""),
        (short(totals.ready), " ready"),
        (short(totals.in_flight), " in flight"),
        (short(totals.delayed), " delayed"),
        (rate_in_words(rates and rates.published), " pub/s"),
        (rate_in_words(rates and rates.acknowledged), " ack/s"),
        (counted(totals.consumers, "consumer"), ""),
        (rate_in_words(rates and rates.delivered), " deliv/s"),
        (rate_in_words(rates and rates.dead_lettered), " dead/s"),
    ]
    line = Text()
    for number, rest in facts:
        fact = Text.assemble((number, "bold"), rest)
        gap = _GAP if line else 0
        if line.cell_len + gap + fact.cell_len > width:
            break
        line = Text.assemble(line, " " * gap, fact)
    return line


def _table(view: View, width: int, height: int) -> Iterator[Text]:
    rows = view.figures.rows
    columns = _columns_for(width)
    name_width = _name_width(rows, width - sum(_GAP + column.width for column in columns))
    heads = [f"{column.head:>{_GAP + column.width}}" for column in columns]
    yield Text(f"{'topic':<{name_width}}{''.join(heads)}", "reverse")
    shown = rows if len(rows) <= height else rows[: max(0, height - 1)]
    for row in shown:
        line = _line(row, columns, name_width)
        if view.trouble is not None:
            line = Text(line.plain, "dim")
        yield line
    if len(shown) < len(rows):
        yield Text(f"and {len(rows) - len(shown):,} more", "dim")
    if not rows and view.trouble is None:
        yield Text("no topics yet: the first publish makes one", "dim")


def _line(row: Row, columns: Sequence[_Column], name_width: int) -> Text:
    mark = ""
    if row.topic.paused:
        mark = " paused" if name_width >= _ROOM_FOR_WORDS else " ||"
    name = fit(legible(row.topic.name), name_width - len(mark))
    padding = " " * (name_width - len(mark) - cell_len(name))
    line = Text.assemble((name, "bold"), (mark, "yellow"), padding)
    for column in columns:
        cell = column.cell(row)
        line.append(f"{cell:>{_GAP + column.width}}", _style(column.head, cell))
    return line


def _style(head: str, cell: str) -> str:
    if cell in {"0", "-"}:
        return "dim"
    return {"dead/s": "red", "died": "red", "pub/s": "green", "ack/s": "green"}.get(head, "")


def _columns_for(width: int) -> Sequence[_Column]:
    columns = list(_COLUMNS)
    for head in _LEAST_NEEDED_FIRST:
        if _NARROWEST_NAME + sum(_GAP + column.width for column in columns) <= width:
            break
        columns = [column for column in columns if column.head != head]
    return columns


def _name_width(rows: Sequence[Row], room: int) -> int:
    """Return how wide the names are, if there is room; it does not follow the order of rows."""
    paused = len(" paused")
    longest = max((cell_len(legible(row.topic.name)) for row in rows), default=0) + paused
    return max(1, min(room, max(_NARROWEST_NAME, longest), _WIDEST_NAME))


def fit(text: str, width: int) -> str:
    """Return it no wider than `width` cells: what is left out is in the middle."""
    if cell_len(text) <= width:
        return text
    left = _beginning(text, width // 2)
    right = _beginning(text[::-1], width - 1 - cell_len(left))
    return f"{left}…{right[::-1]}" if width > 0 else ""


def _beginning(text: str, width: int) -> str:
    taken = 0
    for number, character in enumerate(text):
        taken += cell_len(character)
        if taken > width:
            return text[:number]
    return text


def short(count: float) -> str:
    """Return a number in six characters: 99,999, 123k, 1.23M."""
    if count < _SHORT_FROM:
        return f"{count:,.0f}"
    size, units = count / _THOUSAND, iter("kMGTPE")
    unit = next(units)
    while round(size) >= _THOUSAND:
        size, unit = size / _THOUSAND, next(units)
    digits = 0 if round(size, 1) >= _HUNDRED else 1 if round(size, 2) >= _TEN else 2
    return f"{size:.{digits}f}{unit}"


_SHORT_FROM = 99_999.5
_THOUSAND, _HUNDRED, _TEN = 1000, 100, 10


def rate_in_words(rate: float | None) -> str:
    """Return a rate in six characters: 3.2, 250, 120k; - while it is not known."""
    if rate is None:
        return "-"
    return f"{rate:.1f}".removesuffix(".0") if rate < _TEN else short(rate)
