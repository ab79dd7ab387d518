"""The task queue: what is to be done is posted, and done at least once.

A task is a message of the topic `tasks`, and a JSON object: its id, its type
and its payload. Before the first one is posted the topic gets the policy that
the task queue is known for, three retries that wait longer each time and then
the dead letters, unless an operator gave it another one.
"""

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.broker.policy import DEFAULT_POLICY, Backoff, TopicPolicy
from miniqueue_py.errors import BadParameter, ShuttingDown
from miniqueue_py.http.access.needs import OPEN, Need, Needs
from miniqueue_py.http.access.rights import INSPECT, PUBLISH
from miniqueue_py.http.dialects.busy import Busy, Put, Way
from miniqueue_py.http.dialects.dialect import OpenDialect, Tools
from miniqueue_py.http.dialects.tasks.dialect import TOPIC
from miniqueue_py.http.exchange import Answer, Exchange
from miniqueue_py.http.json_answers import json_answer
from miniqueue_py.http.json_text import (
    encode,
    encode_text,
    longest_request_bytes,
    parse,
    read_members,
)
from miniqueue_py.telemetry.rates import Rates

if TYPE_CHECKING:
    from quart import Blueprint

POLICY = TopicPolicy(
    lease=300.0,
    max_deliveries=4,
    backoff=Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.1),
)

LONGEST_TYPE = 255
"""Characters."""


def explain_task(status: int, text: str) -> Answer:
    """Return an error as the task queue tells it."""
    told = {"status": "error", "error": _TEXTS.get(status, text)}
    return json_answer(encode(told), status)


_TEXTS = {
    404: "there is no such page; tasks are posted to /task, and counted by /stats",
    405: "this method is not allowed here, those in Allow are; post tasks with POST /task",
}


class TaskQueue(OpenDialect):
    """The queue, as requests and pages share it."""

    explain = staticmethod(explain_task)
    needs: ClassVar[Needs] = {
        "tasks.show": Need(INSPECT, TOPIC),
        **dict.fromkeys(
            (
                "tasks.dashboard.index_html",
                "tasks.dashboard.dashboard_css",
                "tasks.dashboard.dashboard_js",
                "tasks.dashboard.chart_js",
                "tasks.dashboard.stats_js",
                "tasks.dashboard.words_js",
                "tasks.dashboard.icon_svg",
            ),
            OPEN,
        ),
    }
    harmless = frozenset({b"/"})
    """The dashboard, whose figures are elsewhere."""

    def __init__(self, tools: Tools) -> None:
        self.broker = broker = tools.broker
        self.administration = tools.administration
        self._rates = Rates(broker.clock, TOPIC)
        tools.observers.add(self._rates.observe)
        self.began = broker.clock.monotonic()
        self.longest_bytes = longest_request_bytes(broker.limits.max_message_bytes)
        """Of a request."""
        self._last_id = 0
        self._known: TopicPolicy | None = None
        """The policy that was looked at last, and is one."""
        self._setting: set[asyncio.Task[None]] = set()
        verbs = {b"task": Way("POST", PUBLISH, partial(_Post, self))}
        self.busy = Busy(explain_task, verbs, topic=TOPIC, access=tools.access)

    def pages(self) -> "Blueprint":
        from miniqueue_py.http.dialects.tasks.pages import tasks_pages  # noqa: PLC0415

        return tasks_pages(self, self._rates)

    def next_id(self) -> str:
        """Return nanoseconds since the epoch, and no number twice."""
        self._last_id = max(self._last_id + 1, int(self.broker.clock.now() * 1e9))
        return f"{self._last_id:019}"

    def has_policy(self) -> bool:
        """Tell if anybody gave the topic a policy."""
        policy = self.administration.policy(TOPIC)
        if policy is not self._known:
            if replace(policy, is_paused=False) == DEFAULT_POLICY:
                return False
            self._known = policy
        return True

    def set_policy(self, post: "_Post") -> None:
        """Give the topic its policy, and then publish.

        It holds at once, for other first tasks too, and is on the disk before any of them.
        """
        task = asyncio.get_running_loop().create_task(self._set_policy(post))
        self._setting.add(task)
        task.add_done_callback(self._setting.discard)

    async def _set_policy(self, post: "_Post") -> None:
        try:
            await self.administration.set_policy(TOPIC, POLICY)
        except Exception as error:  # noqa: BLE001  the boundary: nobody else would answer
            post.exchange.fail(error)
        else:
            post.publish()


class _Post(Put):
    explain = staticmethod(explain_task)
    topic = TOPIC

    def __init__(self, queue: TaskQueue, exchange: Exchange, _segment: bytes) -> None:
        super().__init__(exchange, queue.longest_bytes)
        self.broker = queue.broker
        self._queue = queue
        self._id = queue.next_id()
        self._body = b""

    def on_whole(self, body: bytes) -> None:
        kind, payload = _read(body)
        parts = (self._id.encode(), encode_text(kind), payload.encode())
        self._body = b'{"id":"%b","type":%b,"payload":%b}' % parts
        if self.broker.is_draining:
            raise ShuttingDown
        if self._queue.has_policy():
            self.publish()
        else:
            self._queue.set_policy(self)

    def publish(self) -> None:
        """Publish what was read."""
        self.was_asked = True
        self.broker.publish_one(TOPIC, Publication((self._body,)), self._on_stored)

    def _on_stored(self, answer: Stored | Exception) -> None:
        if isinstance(answer, Exception):
            self.exchange.fail(answer)
            return
        told = b'{"status":"queued","task_id":"%b"}' % self._id.encode()
        self.exchange.respond(*json_answer(told, 202))


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
