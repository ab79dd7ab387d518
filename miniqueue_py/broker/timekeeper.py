"""Every time-driven move, and nothing else."""

from miniqueue_py.broker.broker import Broker


class Timekeeper:
    """Ticks the broker once a period, for as long as `run` is awaited."""

    def __init__(self, broker: Broker, period_seconds: float) -> None:
        self._broker = broker
        self._period_seconds = period_seconds

    async def run(self) -> None:
        """Tick until cancelled; what came due while the broker was down, at once."""
        while True:
            self._broker.tick()
            await self._broker.clock.sleep(self._period_seconds)
