"""The task queue: what is to be done is posted, and done at least once.

A task is a message of the topic `tasks`, and a JSON object: its id, its type
and its payload. Before the first one is posted the topic gets the policy that
the task queue is known for, three retries that wait longer each time and then
the dead letters, unless an operator gave it another one.
"""

from dataclasses import replace

from quart import Blueprint, Response, request

from miniqueue_py.broker.administration import Administration, Overview
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import DEFAULT_POLICY, Backoff, TopicPolicy
from miniqueue_py.errors import BadParameter, ShuttingDown, TopicNotFound
from miniqueue_py.http.dashboard import dashboard
from miniqueue_py.http.dialects.options import TASKS
from miniqueue_py.http.json_bodies import answer, read_body
from miniqueue_py.http.json_text import encode, parse, read_members
from miniqueue_py.http.refusing import refusing
from miniqueue_py.telemetry.rates import Rates

POLICY = TopicPolicy(
    lease=300.0,
    max_deliveries=4,
    backoff=Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.1),
)

LONGEST_TYPE = 255
"""Characters."""


def tasks(broker: Broker, administration: Administration, rates: Rates) -> Blueprint:
    """Return the pages POST /task and GET /stats, and the one for people."""
    pages = Blueprint("tasks", __name__)
    queue = _TaskQueue(broker, administration, rates)
    pages.post("/task")(queue.post)
    pages.get("/stats")(queue.show)
    pages.register_blueprint(dashboard())
    return pages


def explain_task(status: int, text: str) -> Response:
    """Return an error as the task queue tells it."""
    return answer({"status": "error", "error": _TEXTS.get(status, text)}, status)


_TEXTS = {
    404: "there is no such page; tasks are posted to /task, and counted by /stats",
    405: "this method is not allowed here, those in Allow are; post tasks with POST /task",
}


class _TaskQueue:
    def __init__(self, broker: Broker, administration: Administration, rates: Rates) -> None:
        self._broker = broker
        self._administration = administration
        self._rates = rates
        self._began = broker.clock.now()
        self._last_id = 0

    async def post(self) -> Response:
        task_id = self._next_id()
        with refusing(self._broker, TASKS):
            kind, payload = _read(await read_body(request))
            await self._ensure_policy()
        told = encode({"id": task_id, "type": kind})
        body = b'%b,"payload":%b}' % (told[:-1], payload.encode())
        await self._broker.publish(TASKS, [Publication([body])])
        return answer({"status": "queued", "task_id": task_id}, 202)

    async def show(self) -> Response:
        overview = self._overview(TASKS)
        policy = overview.policy if overview else DEFAULT_POLICY
        held = overview.statistics if overview else None
        dead_letters = policy.dead_letter_of(TASKS)
        dead = self._overview(dead_letters)
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
                "uptime_seconds": round(self._broker.clock.now() - self._began, 3),
            }
        )

    async def _ensure_policy(self) -> None:
        """Give the topic its policy if nobody gave it any.

        Raises ShuttingDown, and StorageUnavailable.
        """
        if self._broker.is_draining:
            raise ShuttingDown
        if not self._has_policy():
            # It holds at once, for other first tasks too, and is on the disk before any of them.
            await self._administration.set_policy(TASKS, POLICY)

    def _has_policy(self) -> bool:
        policy = self._administration.policy(TASKS)
        return replace(policy, is_paused=False) != DEFAULT_POLICY

    def _overview(self, topic: str) -> Overview | None:
        try:
            return self._administration.overview(topic)
        except TopicNotFound:
            return None

    def _next_id(self) -> str:
        """Return nanoseconds since the epoch, and no number twice."""
        self._last_id = max(self._last_id + 1, int(self._broker.clock.now() * 1e9))
        return f"{self._last_id:019}"


def _read(body: bytes) -> tuple[str, str]:
    """Return the type, and the text of the payload, which is null if there is none.

    Raises BadParameter.
    """
    members = read_members(body)
    if members is None:
        raise BadParameter("the body", "is not a JSON object with a type and a payload")
    if "type" not in members:
        raise BadParameter("type", "is missing")
    kind = parse(members["type"].encode())
    if not isinstance(kind, str):
        raise BadParameter("type", "is not a string")
    if not kind:
        raise BadParameter("type", "is empty")
    if len(kind) > LONGEST_TYPE:
        raise BadParameter("type", f"is longer than {LONGEST_TYPE} characters")
    return kind, members.get("payload", "null")
