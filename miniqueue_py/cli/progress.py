"""How far a long command is, on stderr, for whoever watches.

Nothing at all where stderr is no terminal. Whoever reports does so per block,
and pays for two additions: drawing is for another thread, ten times a second.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from miniqueue_py.cli.output import size_in_words

if TYPE_CHECKING:
    from rich.table import Table

DRAWN_A_SECOND = 10

_ROOM_FOR_CTRL_C = 3
"""The terminal prints `^C` behind the bar. If that began another line, the bar would stay."""

_LOOKED_BACK_SECONDS = 3.0
"""The rate is that of the last moments, so it shows at once that something stalls."""


class Bar:
    """What has been done so far; the drawing of it."""

    def __init__(self, total_bytes: int | None, description: str) -> None:
        self.count = 0
        self.bytes = 0
        self._total_bytes = total_bytes
        self._description = description
        self._began = time.monotonic()
        self._samples = deque([(self._began, 0, 0)])

    def __repr__(self) -> str:
        return f"<Bar {self._description!r}, {self.count} messages, {self.bytes} bytes>"

    def advance(self, count: int, size: int) -> None:
        """Add messages that are done, and their bytes."""
        self.count += count
        self.bytes += size

    def words(self, now: float) -> str:
        """Tell count and rate, and when it will end if that can be known."""
        samples = self._samples
        samples.append((now, self.count, self.bytes))
        while len(samples) > 1 and now - samples[1][0] >= _LOOKED_BACK_SECONDS:
            samples.popleft()
        then, count, size = samples[0]
        seconds = now - then
        rate = (self.count - count) / seconds if seconds > 0 else 0.0
        words = f"{self.count:,} messages  {size_in_words(self.bytes)}B  {rate:,.0f}/s"
        if self._total_bytes is None:
            return f"{words}  {_clock(now - self._began)}"
        byte_rate = (self.bytes - size) / seconds if seconds > 0 else 0.0
        left = max(0, self._total_bytes - self.bytes)
        return f"{words}  {_clock(left / byte_rate) if byte_rate else '-:--'} left"

    def last_words(self, now: float) -> str:
        """Tell count and rate of all, once it is done."""
        seconds = now - self._began
        rate = self.count / seconds if seconds > 0 else 0.0
        return (
            f"{self.count:,} messages  {size_in_words(self.bytes)}B  {rate:,.0f}/s  "
            f"in {_clock(seconds)}"
        )

    def line(self, words: str, width: int) -> "Table":
        """Draw it: what is done, a bar if there is a total, and the words."""
        from rich.progress_bar import ProgressBar  # noqa: PLC0415  loaded when it is drawn
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        line = Table.grid(padding=(0, 2))
        line.width = max(1, width - _ROOM_FOR_CTRL_C)
        line.add_column(no_wrap=True)
        cells: list[Text | ProgressBar] = [Text(self._description)]
        if self._total_bytes:
            line.add_column(ratio=1)
            done = min(self.bytes, self._total_bytes)
            cells.append(ProgressBar(total=self._total_bytes, completed=done))
        line.add_column(no_wrap=True, ratio=None if self._total_bytes else 1)
        line.add_row(*cells, Text(words))
        return line


@contextmanager
def progress(total_bytes: int | None, description: str) -> Iterator[Bar]:
    """Show how far it is until the block ends; what is left then is one line, or none.

    One that tells the whole if all went well; none after an error or Ctrl-C.
    """
    bar = Bar(total_bytes, description)
    if not sys.stderr.isatty() or os.environ.get("TERM") in {None, "", "dumb"}:
        yield bar
        return
    # Here, and not on top: who has no terminal does not wait for rich.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    words = bar.words
    console = Console(stderr=True)
    with Live(
        console=console,
        get_renderable=lambda: bar.line(words(time.monotonic()), console.width),
        refresh_per_second=DRAWN_A_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
        transient=True,
    ) as live:
        yield bar
        live.transient = False
        words = bar.last_words


def _clock(seconds: float) -> str:
    """Return 0:04, 12:30, 3:02:01."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
