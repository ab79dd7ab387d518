"""What is asked of the task queue once in a while: figures, and the page for people."""

from quart import Blueprint, Response

from miniqueue_py.broker.administration import Overview
from miniqueue_py.broker.policy import DEFAULT_POLICY
from miniqueue_py.errors import TopicNotFound
from miniqueue_py.http.dashboard import dashboard
from miniqueue_py.http.dialects.tasks.dialect import TOPIC
from miniqueue_py.http.dialects.tasks.requests import TaskQueue
from miniqueue_py.http.json_bodies import answer
from miniqueue_py.telemetry.rates import Rates


def tasks_pages(queue: TaskQueue, rates: Rates) -> Blueprint:
    """Return the page GET /stats, and the one for people."""
    pages = Blueprint("tasks", __name__)
    pages.get("/stats")(_Stats(queue, rates).show)
    pages.register_blueprint(dashboard())
    return pages


class _Stats:
    def __init__(self, queue: TaskQueue, rates: Rates) -> None:
        self._queue = queue
        self._rates = rates

    async def show(self) -> Response:
        overview = await self._overview(TOPIC)
        policy = overview.policy if overview else DEFAULT_POLICY
        held = overview.statistics if overview else None
        dead_letters = policy.dead_letter_of(TOPIC)
        dead = await self._overview(dead_letters)
        age = overview.oldest_age_seconds if overview and overview.statistics.ready else None
        rates = self._rates.per_second()
        return answer(
            {
                "pending": held.ready if held else 0,
                "processing": held.in_flight if held else 0,
                "retrying": held.delayed if held else 0,
                "dead_letter": dead.statistics.held if dead else 0,
                "dead_letter_topic": dead_letters,
                "workers": overview.consumers if overview else 0,
                "oldest_pending_seconds": None if age is None else round(age, 3),
                "paused": policy.is_paused,
                "rates": {name: round(rate, 3) for name, rate in rates._asdict().items()},
                "history": self._rates.history()._asdict(),
                "uptime_seconds": round(self._uptime_seconds(), 3),
            }
        )

    def _uptime_seconds(self) -> float:
        return self._queue.broker.clock.monotonic() - self._queue.began

    async def _overview(self, topic: str) -> Overview | None:
        await self._queue.administration.refresh(topic)
        try:
            return self._queue.administration.overview(topic)
        except TopicNotFound:
            return None
