"""The pages of topics: what is in them, by which rules, and what operators do.

Whatever stands in their answers has the wire's names. Reading them takes no
turn of the loop for long, however many topics there are.
"""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

from quart import Blueprint, Response, request

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.policy import policy_from_json
from miniqueue_py.errors import TopicNotFound
from miniqueue_py.http.access.pages import caller
from miniqueue_py.http.access.rights import INSPECT, PUBLISH
from miniqueue_py.http.json_bodies import answer, answer_encoded, nothing, read_json
from miniqueue_py.http.messages import as_object
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.overviews import overview_as_json
from miniqueue_py.http.pages.letters import destination_of, letters_of
from miniqueue_py.http.query import Query
from miniqueue_py.protocol.topics import STATES

MOST_TOPICS = 1000
"""On a page of the list, which is as many as there are if nobody says otherwise."""

MOST_PEEKED = 1000
PEEKED_UNASKED = 10

MOST_REDRIVEN = 10**18 - 1
"""By number; all is by no number."""

_STATES = dict(zip(STATES, (State.READY, State.LEASED, State.DELAYED), strict=True))
"""By the words that an overview has for them."""

_OVERVIEWS_A_TURN = 50
_NAMES_A_TURN = MOST_TOPICS + 1

PARAMETERS = {
    "topics.show_all": ("after", "max"),
    "topics.redrive": ("id", "reason", "olderThan", "max", "to"),
    "topics.peek": ("max", "state"),
}
"""What pages have behind the `?`, by endpoint; all others have nothing there."""

OF_MINIQUEUE = {"topics.delete_short"}
"""Endpoints of MiniQueue's own protocol, which ignores every query."""


def topic_pages(broker: Broker, administration: Administration) -> Blueprint:
    """Return the pages below /topics, and DELETE /{topic}."""
    pages = Blueprint("topics", __name__)
    topics = _Topics(broker, administration)
    pages.get("/topics")(topics.show_all)
    pages.get("/topics/<segment>")(topics.show)
    pages.put("/topics/<segment>")(topics.set_policy)
    pages.delete("/topics/<segment>")(topics.delete)
    pages.delete("/<segment>", endpoint="delete_short")(topics.delete)
    pages.post("/topics/<segment>/pause")(topics.pause)
    pages.post("/topics/<segment>/resume")(topics.resume)
    pages.post("/topics/<segment>/purge")(topics.purge)
    pages.post("/topics/<segment>/redrive")(topics.redrive)
    pages.get("/topics/<segment>/peek")(topics.peek)
    return pages


class _Topics:
    def __init__(self, broker: Broker, administration: Administration) -> None:
        self._broker = broker
        self._administration = administration

    async def show_all(self) -> Response:
        query = Query(request.scope["query_string"])
        after = query.text("after")
        limit = query.whole_number("max", MOST_TOPICS, least=1, most=MOST_TOPICS)
        names = await self._names_after(after, limit + 1)
        value: dict[str, object] = {"topics": await self._overviews(names[:limit])}
        if len(names) > limit:
            value["next"] = names[limit - 1]
        return answer(value)

    async def show(self, segment: str) -> Response:
        return await self._describe(topic_name(segment))

    async def set_policy(self, segment: str) -> Response:
        topic = topic_name(segment)
        policy = policy_from_json(await read_json(request))
        if policy.dead_letter is not None:  # its dead letters are as good as published there
            caller().require(PUBLISH, policy.dead_letter)
        await self._administration.set_policy(topic, policy)
        return await self._describe(topic)

    async def delete(self, segment: str) -> Response:
        await self._broker.delete(topic_name(segment))
        return nothing(200)

    async def purge(self, segment: str) -> Response:
        topic = topic_name(segment)
        await self._administration.purge(topic)
        return await self._describe(topic)

    async def pause(self, segment: str) -> Response:
        topic = topic_name(segment)
        await self._administration.pause(topic)
        return await self._describe(topic)

    async def resume(self, segment: str) -> Response:
        topic = topic_name(segment)
        await self._administration.resume(topic)
        return await self._describe(topic)

    async def redrive(self, segment: str) -> Response:
        topic = topic_name(segment)
        query = Query(request.scope["query_string"])
        limit = query.whole_number("max", None, least=1, most=MOST_REDRIVEN)
        wanted = letters_of(query, self._broker.clock.now())
        destination = destination_of(query)
        if destination.topic is not None:
            caller().require(PUBLISH, destination.topic)
        redriven = await self._administration.redrive(topic, limit, wanted, destination)
        hint = None if redriven else await self._hint(topic)
        return answer({"redriven": redriven} | ({"hint": hint} if hint else {}))

    async def peek(self, segment: str) -> Response:
        topic = topic_name(segment)
        query = Query(request.scope["query_string"])
        limit = query.whole_number("max", PEEKED_UNASKED, least=1, most=MOST_PEEKED)
        state = query.read("state", _check_state, State.READY)
        if state is State.READY:
            shown = list(map(as_object, await self._administration.peek(topic, limit)))
        else:
            sights = await self._administration.look(topic, state, limit)
            shown = [as_object(each.message, due_ms=each.due_ms) for each in sights]
        return answer_encoded(b'{"messages":[%b]}' % b",".join(shown))

    async def _names_after(self, after: str | None, limit: int) -> Sequence[str]:
        """Return so many names of those that the caller sees; they learn of no other one."""
        sees = caller().sees
        seen: list[str] = []
        while len(seen) < limit:
            names = await self._administration.topics_after(after, _NAMES_A_TURN)
            seen += [name for name in names if sees(INSPECT, name)]
            if len(names) < _NAMES_A_TURN:
                break
            after = names[-1]
            await asyncio.sleep(0)
        return seen[:limit]

    async def _overviews(self, names: Sequence[str]) -> list[dict[str, object]]:
        overviews = []
        for i, name in enumerate(names):
            if i % _OVERVIEWS_A_TURN == _OVERVIEWS_A_TURN - 1:
                await asyncio.sleep(0)
            try:
                overviews.append(overview_as_json(self._administration.overview(name)))
            except TopicNotFound:
                continue  # deleted in one of the turns between
        return overviews

    async def _describe(self, topic: str) -> Response:
        await self._administration.refresh(topic)
        return answer(overview_as_json(self._administration.overview(topic)))

    async def _hint(self, topic: str) -> str | None:
        """Return where the dead letters are that somebody looks for in the wrong topic."""
        try:
            dead_letters = self._administration.overview(topic).policy.dead_letter_of(topic)
            await self._administration.refresh(dead_letters)
            self._administration.overview(dead_letters)
        except TopicNotFound:
            return None
        path = f"/topics/{quote(dead_letters, safe='')}/redrive"
        return f"the dead letters of {topic!r} are in {dead_letters!r}: POST {path}"


def _check_state(text: str) -> State:
    if text not in _STATES:
        raise ValueError(f"is none; known are {', '.join(STATES)}")
    return _STATES[text]
