"""What operators ask about topics: whole pages, no streams."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from miniqueue_py.client.delivery import Message
from miniqueue_py.client.http2.requests import Answer
from miniqueue_py.client.letters import count_of, redrive_query
from miniqueue_py.errors import BadTopicName
from miniqueue_py.protocol.topics import Topic
from miniqueue_py.topic_names import check_topic_name

MOST_PEEKED = 1000
"""No broker shows more at once."""


class Operations(ABC):
    """The verbs of a client that look at topics, or after them."""

    @abstractmethod
    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        topic: str = "",
        is_repeatable: bool = True,
    ) -> Answer:
        """Return the broker's answer. Raises what its status means."""

    async def topics(self) -> AsyncGenerator[Topic, None]:
        """Iterate over all topics, by name."""
        after = ""
        while True:
            query = urlencode({"after": after, "max": 1000} if after else {"max": 1000})
            topics, after = (await self._ask("GET", f"/topics?{query}")).read(_page_of_topics)
            for topic in topics:
                yield topic
            if not after:
                return

    async def topic(self, name: str) -> Topic:
        """Return what is in a topic, and its policy. Raises TopicNotFound."""
        return (await self._ask("GET", _page(name), topic=name)).read(Topic.of)

    async def set_policy(self, name: str, policy: Mapping[str, Any]) -> Topic:
        """Replace a topic's policy, and make the topic if need be. Raises BadRequest."""
        body = json.dumps(policy).encode()
        return (await self._ask("PUT", _page(name), body)).read(Topic.of)

    async def purge(self, name: str) -> Topic:
        """Remove all messages of a topic, and keep its policy. Raises TopicNotFound."""
        return (await self._ask("POST", _page(name, "/purge"), topic=name)).read(Topic.of)

    async def delete(self, name: str) -> None:
        """Delete a topic: its messages, its policy, and the keys it remembers."""
        await self._ask("DELETE", _page(name))

    async def pause(self, name: str) -> Topic:
        """Hand nothing out, until `resume`. Raises TopicNotFound."""
        return (await self._ask("POST", _page(name, "/pause"), topic=name)).read(Topic.of)

    async def resume(self, name: str) -> Topic:
        """Hand out again. Raises TopicNotFound."""
        return (await self._ask("POST", _page(name, "/resume"), topic=name)).read(Topic.of)

    async def redrive(  # noqa: PLR0913  each is a filter of its own
        self,
        name: str,
        most: int | None = None,
        *,
        ids: Sequence[str] | None = None,
        reason: str | None = None,
        older_than: float | None = None,
        to: str | None = None,
    ) -> int:
        """Send dead letters back to where they came from, and return how many went.

        All of them, or those to which all applies that is said: messages of these
        `ids`, those that died for a `reason`, `maxDeliveries` or `DEAD`, and at least
        `older_than` seconds ago. They go to the topic they left last; with `to` to one
        of that name, or with "first" to where each died first. Raises TopicNotFound,
        BadParameter, and ConnectionLost when it is not known if they went.
        """
        path = _page(name, "/redrive" + redrive_query(most, ids, reason, older_than, to))
        answer = await self._ask("POST", path, topic=name, is_repeatable=False)
        return answer.read(lambda told: int(told["redriven"]))

    async def peek(self, name: str, most: int = 10, *, state: str = "ready") -> list[Message]:
        """Return what would be handed out next, and hand out nothing.

        Or what is `inFlight` or `delayed`. `most` is at most 1000. Raises
        TopicNotFound and BadParameter.
        """
        query: dict[str, Any] = {"max": count_of(most, MOST_PEEKED)}
        if state != "ready":  # which brokers of an earlier version know, too
            query["state"] = state
        path = _page(name, f"/peek?{urlencode(query)}")
        answer = await self._ask("GET", path, topic=name)
        return answer.read(lambda told: [Message(name, each) for each in told["messages"]])


def segment(topic: str) -> str:
    """Return a topic's name as a segment of a path. Raises BadTopicName."""
    if not isinstance(topic, str):
        raise BadTopicName(f"it is {type(topic).__name__}, not str")
    return quote(check_topic_name(topic), safe="")


def _page(name: str, rest: str = "") -> str:
    return f"/topics/{segment(name)}{rest}"


def _page_of_topics(told: Mapping[str, Any]) -> tuple[list[Topic], str]:
    """Return topics, and the name behind which there are more."""
    return [Topic.of(each) for each in told["topics"]], told.get("next", "")
