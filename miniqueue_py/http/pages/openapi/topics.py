"""The pages of topics."""

from miniqueue_py.http.pages.openapi.parts import (
    GO_DURATION,
    MESSAGE_ID,
    REASON,
    TOPIC_NAME,
    Part,
    limit,
    object_of,
    of_topic,
    page,
    query,
    refusals,
    shared,
)
from miniqueue_py.http.pages.topics import MOST_PEEKED, MOST_REDRIVEN, MOST_TOPICS, PEEKED_UNASKED
from miniqueue_py.protocol.topics import STATES

_OVERVIEW = page("The topic as it is now.", shared("schemas", "Topic"))
DELETE = {
    "summary": "Delete a topic",
    "description": "Removes its messages, its policy and its idempotency keys. "
    "A topic that does not exist is deleted already.",
    "responses": {"200": {"description": "Nothing is left of it."}}
    | refusals("BadRequest", "Unavailable", "DiskFull"),
}


_TOPICS = {
    "summary": "List the topics",
    "parameters": [
        query("after", {"type": "string"}, "Only names behind this one."),
        limit(str(MOST_TOPICS), MOST_TOPICS),
    ],
    "responses": {
        "200": page(
            "By name, in the order of code points.",
            object_of(
                {"topics": {"type": "array", "items": shared("schemas", "Topic")}},
                {"next": TOPIC_NAME | {"description": "There are more: ask with `after` this."}},
            ),
        )
    }
    | refusals("BadRequest"),
}

_SET_POLICY = {
    "summary": "Set a topic's policy",
    "description": "Replaces the whole policy; makes the topic if need be.",
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": shared("schemas", "Policy")}},
    },
    "responses": {"200": _OVERVIEW}
    | refusals("BadRequest", "Contradiction", "TooLong", "Unavailable", "DiskFull"),
}


def _switch(summary: str) -> Part:
    return {
        "summary": summary,
        "responses": {"200": _OVERVIEW}
        | refusals("BadRequest", "TopicNotFound", "Unavailable", "DiskFull"),
    }


_REDRIVE = {
    "summary": "Send dead letters back",
    "description": "Those in this topic go to the back of the topics they came from, "
    "and begin anew there: all, or those to which all applies that the query says.",
    "parameters": [
        query("id", {"type": "array", "items": MESSAGE_ID}, "Only these; once for each.")
        | {"explode": True},
        query("reason", REASON, "Only those that died of this."),
        query("olderThan", GO_DURATION, "Only those that died so long ago, or longer."),
        limit("all", MOST_REDRIVEN),
        query("to", TOPIC_NAME, "A topic that exists, or `first`: where each died first."),
    ],
    "responses": {
        "200": page(
            "Done.",
            object_of(
                {"redriven": {"type": "integer", "minimum": 0}}, {"hint": {"type": "string"}}
            ),
        )
    }
    | refusals("BadRequest", "TopicNotFound", "Contradiction", "Unavailable", "DiskFull"),
}

_PEEK = {
    "summary": "Look at what would be delivered next",
    "description": "Nothing is handed out. Large messages come in smaller numbers.",
    "parameters": [
        limit(str(PEEKED_UNASKED), MOST_PEEKED),
        query("state", {"type": "string", "enum": list(STATES)}, "Where; ready if nobody says."),
    ],
    "responses": {
        "200": page(
            "In the order of delivery; what is delayed by when it is due.",
            object_of({"messages": {"type": "array", "items": shared("schemas", "Message")}}),
        )
    }
    | refusals("BadRequest", "TopicNotFound"),
}


DELETE_SAME_NAME = DELETE | {
    "summary": "Delete the topic of this name",
    "description": "No name is reserved: a topic may be called as a page is.",
}
"""A page of one segment hides the path of a topic, but not its DELETE."""

TOPIC_PATHS: Part = {
    "/{topic}": of_topic(delete=DELETE),
    "/topics": {"get": _TOPICS, "delete": DELETE_SAME_NAME},
    "/topics/{topic}": of_topic(
        get={
            "summary": "Describe a topic",
            "responses": {"200": _OVERVIEW} | refusals("BadRequest", "TopicNotFound"),
        },
        put=_SET_POLICY,
        delete=DELETE,
    ),
    "/topics/{topic}/pause": of_topic(post=_switch("Deliver nothing until resumed")),
    "/topics/{topic}/resume": of_topic(post=_switch("Deliver again")),
    "/topics/{topic}/purge": of_topic(
        post=_switch("Remove all messages")
        | {"description": "Those in flight and set aside too. The policy stays."}
    ),
    "/topics/{topic}/redrive": of_topic(post=_REDRIVE),
    "/topics/{topic}/peek": of_topic(get=_PEEK),
}
