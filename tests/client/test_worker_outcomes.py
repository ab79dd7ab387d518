"""By how a handler ends it is decided what becomes of its message."""

from decimal import Decimal

import pytest

from miniqueue_py.client import Reject, Retry
from miniqueue_py.client.worker.outcomes import (
    Buried,
    Delays,
    Done,
    Outcome,
    SetAside,
    Unreadable,
    outcome_of,
)
from miniqueue_py.errors import BadParameter

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

DELAYS = Delays(chance=lambda: 0.0)


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (None, Done()),
        (Retry(after=60), SetAside(60, has_failed=False)),
        (Retry(after=Decimal(60)), SetAside(60, has_failed=False)),  # type: ignore[arg-type]
        (Retry(after=0.0), SetAside(0.0, has_failed=False)),
        (Retry(), SetAside(8.0, has_failed=False)),
        (Reject("why"), Buried("why")),
        (Unreadable("it is no JSON"), Buried("it is no JSON")),
        (ValueError(), SetAside(8.0, has_failed=True)),
        (SystemExit(1), SetAside(8.0, has_failed=True)),
        (ExceptionGroup("", [ExceptionGroup("", [Reject("why")])]), Buried("why")),
        (ExceptionGroup("", [Reject("why"), ValueError()]), SetAside(8.0, has_failed=True)),
    ],
)
async def test_outcomes(raised: BaseException | None, outcome: Outcome) -> None:
    assert outcome_of(raised, 3, DELAYS) == outcome


async def test_delays_grow_up_to_a_quarter_of_an_hour() -> None:
    assert [DELAYS.seconds_after(count) for count in range(4)] == [1, 2, 4, 8]
    assert DELAYS.seconds_after(10) == 900
    assert DELAYS.seconds_after(100_000) == 900


async def test_chance_takes_up_to_a_half_of_a_delay_away() -> None:
    always = Delays(chance=lambda: 1.0)

    assert always.seconds_after(3) == 4.0


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), 1e10])
async def test_a_delay_that_cannot_be_is_refused(seconds: float) -> None:
    with pytest.raises(BadParameter):
        Retry(after=seconds)
    with pytest.raises(BadParameter):
        Delays(initial_seconds=seconds)


async def test_a_delay_that_shrinks_is_refused() -> None:
    with pytest.raises(BadParameter, match="backoff_factor"):
        Delays(factor=0.5)
