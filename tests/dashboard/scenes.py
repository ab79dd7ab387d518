"""Figures worth looking at."""

from typing import Any

from tests.dashboard.stand_in import SECONDS, SERIES, figures, minute

ORDINARY = figures(
    pending=1204,
    processing=8,
    retrying=17,
    workers=3,
    oldest_pending_seconds=192.4,
    rates={"queued": 31.4, "completed": 29.8, "failed": 0.2},
    history=minute(queued=[30, 58, 12], completed=[28, 31, 30], failed=[0, 2, 0]),
    uptime_seconds=93_784.5,
)

TROUBLE = figures(
    pending=42,
    retrying=3,
    dead_letter=5,
    oldest_pending_seconds=0.2,
    history=minute(queued=[1, 0, 2], failed=[1, 0, 1]),
)
"""Nobody works, and some have failed for good."""

HUGE = figures(
    pending=12_345_678,
    processing=12_345_678,
    retrying=12_345_678,
    dead_letter=12_345_678,
    workers=12_345_678,
    oldest_pending_seconds=12_345_678.9,
    rates=dict.fromkeys(SERIES, 1_234_567.8),
    history={name: [1_234_567] * SECONDS for name in SERIES},
    uptime_seconds=1e9,
)

SCENES: dict[str, dict[str, Any]] = {
    "nothing": figures(),
    "ordinary": ORDINARY,
    "trouble": TROUBLE,
    "huge": HUGE,
    "paused": figures(pending=90, workers=2, paused=True, oldest_pending_seconds=5000.0),
}
