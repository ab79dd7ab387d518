"""Every time-driven move, and nothing else."""

from collections.abc import Callable

from miniqueue_py.broker.broker import Broker

ABSENT_SECONDS = 0.5
"""A tick that comes so late comes after an absence: the process was stopped, or one turn of
the loop took as long. Less is the noise of a busy machine."""

HEARING_SECONDS = 0.25
"""For so long the broker hears, after an absence, what clients said meanwhile: timers are served
before sockets, so the ends of leases would overtake the words that put them off."""

LOOKS_APART_SECONDS = 0.002
"""Leases that end closer together are ended together: many thousands cost no more looks."""

STEP_SECONDS = 1.0
"""By so much the calendar was set between two ticks; a clock that is corrected bit by bit
never comes to it."""


class Timekeeper:
    """Ticks the broker once a period and when a lease ends, for as long as `run` is awaited."""

    def __init__(
        self, broker: Broker, period_seconds: float, on_error: Callable[[Exception], None]
    ) -> None:
        self._broker = broker
        self._clock = broker.clock
        self._period_seconds = period_seconds
        self._on_error = on_error
        self._apart = self._measure_apart()
        """What is between the two readings of the clock."""

    async def run(self) -> None:
        """Tick until cancelled; what came due while the broker was down, at once."""
        ticked_at = planned_at = self._clock.monotonic()
        while True:
            absent_since = None
            if self._clock.monotonic() - planned_at > ABSENT_SECONDS:
                absent_since = ticked_at  # nobody knows how long after that it was there
                await self._clock.sleep(HEARING_SECONDS)
            self._look_at_calendar()
            try:
                await self._broker.tick(absent_since)
            except Exception as error:  # noqa: BLE001  the boundary: time goes on
                self._on_error(error)
            ticked_at = self._clock.monotonic()
            expiry = self._broker.expiry
            until = max(expiry.next_look, ticked_at + LOOKS_APART_SECONDS)
            planned_at = await expiry.look.wait(min(until, ticked_at + self._period_seconds))

    def _look_at_calendar(self) -> None:
        """Tell if somebody set it since the last look."""
        apart = self._measure_apart()
        step = apart - self._apart
        self._apart = apart
        if abs(step) >= STEP_SECONDS:
            self._broker.reports.stepped(step)

    def _measure_apart(self) -> float:
        return self._clock.now() - self._clock.monotonic()
