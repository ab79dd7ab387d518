"""Every time-driven move, and nothing else."""

from collections.abc import Callable

from miniqueue_py.broker.broker import Broker


class Timekeeper:
    """Ticks the broker once a period, for as long as `run` is awaited."""

    def __init__(
        self, broker: Broker, period_seconds: float, on_error: Callable[[Exception], None]
    ) -> None:
        self._broker = broker
        self._period_seconds = period_seconds
        self._on_error = on_error

    async def run(self) -> None:
        """Tick until cancelled; what came due while the broker was down, at once."""
        while True:
            try:
                await self._broker.tick()
            except Exception as error:  # noqa: BLE001  the boundary: time goes on
                self._on_error(error)
            await self._broker.clock.sleep(self._period_seconds)
