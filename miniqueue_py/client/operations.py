"""What operators ask about topics: whole pages, no streams."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from operator import index
from typing import Any
from urllib.parse import quote, urlencode

from miniqueue_py.client.delivery import Message
from miniqueue_py.client.requests import Answer
from miniqueue_py.client.topic import Topic
from miniqueue_py.errors import BadParameter, BadTopicName
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

    async def purge(self, name: str) -> None:
        """Delete a topic: its messages, its policy, and the keys it remembers."""
        await self._ask("DELETE", _page(name))

    async def pause(self, name: str) -> Topic:
        """Hand nothing out, until `resume`. Raises TopicNotFound."""
        return (await self._ask("POST", _page(name, "/pause"), topic=name)).read(Topic.of)

    async def resume(self, name: str) -> Topic:
        """Hand out again. Raises TopicNotFound."""
        return (await self._ask("POST", _page(name, "/resume"), topic=name)).read(Topic.of)

    async def redrive(self, name: str, most: int | None = None) -> int:
        """Send dead letters back to where they came from, and return how many went.

        Raises TopicNotFound, BadParameter, and ConnectionLost when it is not known
        if they went.
        """
        path = _page(name, "/redrive" if most is None else f"/redrive?max={_count(most)}")
        answer = await self._ask("POST", path, topic=name, is_repeatable=False)
        return answer.read(lambda told: int(told["redriven"]))

    async def peek(self, name: str, most: int = 10) -> list[Message]:
        """Return what would be handed out next, and hand out nothing.

        `most` is at most 1000. Raises TopicNotFound and BadParameter.
        """
        path = _page(name, f"/peek?max={_count(most, MOST_PEEKED)}")
        answer = await self._ask("GET", path, topic=name)
        return answer.read(lambda told: [Message(name, each) for each in told["messages"]])


def segment(topic: str) -> str:
    """Return a topic's name as a segment of a path. Raises BadTopicName."""
    if not isinstance(topic, str):
        raise BadTopicName(f"it is {type(topic).__name__}, not str")
    return quote(check_topic_name(topic), safe="")


def _count(most: int, largest: int | None = None) -> int:
    try:
        number = index(most)
    except TypeError as error:
        raise BadParameter("most", f"is {most!r}, which is no whole number") from error
    if number < 1:
        raise BadParameter("most", f"is {number}, and has to be 1 or more")
    if largest is not None and number > largest:
        raise BadParameter("most", f"is {number}, and can be {largest} at most")
    return number


def _page(name: str, rest: str = "") -> str:
    return f"/topics/{segment(name)}{rest}"


def _page_of_topics(told: Mapping[str, Any]) -> tuple[list[Topic], str]:
    """Return topics, and the name behind which there are more."""
    return [Topic.of(each) for each in told["topics"]], told.get("next", "")
