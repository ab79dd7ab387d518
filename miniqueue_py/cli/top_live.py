"""`miniqueue top` on a terminal: it looks, draws, hears keys, and leaves the terminal as it was."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

import anyio
from rich.console import Console, ConsoleDimensions
from rich.live import Live

from miniqueue_py.cli.keyboard import read_keys, single_keys
from miniqueue_py.cli.output import age_in_words
from miniqueue_py.cli.top_figures import Figures
from miniqueue_py.cli.top_screen import View, draw
from miniqueue_py.errors import MiniqueueError

if TYPE_CHECKING:
    from miniqueue_py.client import Client

PATIENCE_SECONDS = 2.0
"""After so long without an answer the screen says so, and the broker is asked anew."""

_LEAVE = {"q", "Q"}


async def watch(
    queue: "Client", interval_seconds: float, make_another: "Callable[[], Client]"
) -> None:
    """Show the topics until q is pressed."""
    screen = _Screen(queue, interval_seconds, make_another)
    await screen.look()  # whatever is wrong from the beginning is told without a screen
    await screen.run()


class _Screen:
    def __init__(
        self, queue: "Client", interval_seconds: float, make_another: "Callable[[], Client]"
    ) -> None:
        self._queue = queue
        self._interval_seconds = interval_seconds
        self._make_another = make_another
        self._figures = Figures()
        self._trouble: str | None = None
        self._answered_at = 0.0
        console = Console(file=sys.stdout)
        self._live = Live(
            console=console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    async def run(self) -> None:
        with ExitStack() as stack:
            keys = sys.stdin.fileno() if sys.stdin.isatty() else None
            if keys is not None:
                stack.enter_context(single_keys(keys))
            stack.enter_context(self._live)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._redraw_when_resized)
                tasks.start_soon(self._keep_looking)
                if keys is not None:
                    tasks.start_soon(self._leave_when_told, keys, tasks.cancel_scope)

    async def _keep_looking(self) -> None:
        began = anyio.current_time()
        self._draw()
        while True:
            await anyio.sleep_until(began + self._interval_seconds)
            began = anyio.current_time()
            try:
                with anyio.fail_after(PATIENCE_SECONDS):
                    await self.look()
            except (TimeoutError, MiniqueueError) as error:
                self._trouble = str(error) or await self._find_trouble()
            else:
                self._trouble = None
            self._draw()

    async def look(self) -> None:
        """Ask the broker; the client asks again for as long as it is let."""
        await self._figures.look(self._queue, anyio.current_time)
        self._answered_at = anyio.current_time()

    async def _find_trouble(self) -> str:
        """Tell why there is no answer, as somebody sees who connects anew."""
        with anyio.move_on_after(PATIENCE_SECONDS):
            try:
                async with self._make_another():
                    pass
            except MiniqueueError as error:
                return str(error)
        return "the broker does not answer"

    def _draw(self) -> None:
        size = os.get_terminal_size(sys.stdout.fileno())
        trouble = None
        if self._trouble is not None:
            seconds = anyio.current_time() - self._answered_at
            trouble = f"no answer for {age_in_words(seconds)}: {self._trouble}"
        view = View(
            self._queue.url,
            self._figures,
            datetime.now().astimezone().strftime("%H:%M:%S"),
            trouble,
        )
        self._live.console.size = ConsoleDimensions(size.columns, size.lines)
        self._live.update(draw(view, size.columns, size.lines), refresh=True)

    async def _redraw_when_resized(self) -> None:
        with anyio.open_signal_receiver(signal.SIGWINCH) as signals:
            async for _ in signals:
                self._draw()

    async def _leave_when_told(self, terminal: int, scope: anyio.CancelScope) -> None:
        async for key in read_keys(terminal):
            if key in _LEAVE:
                break
        scope.cancel()
