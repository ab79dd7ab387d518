"""Publish, receive, settle."""

from miniqueue_py.broker.claims import RECEIVE_LEASE_SECONDS
from miniqueue_py.http.native.receiving import LONGEST_WAIT_SECONDS, MOST_RECEIVED, RECEIVED_UNASKED
from miniqueue_py.http.native.terms import LONGEST_LEASE_SECONDS, SHORTEST_LEASE_SECONDS
from miniqueue_py.http.pages.openapi.parts import (
    GO_DURATION,
    RECEIPT,
    Part,
    limit,
    object_of,
    of_topic,
    page,
    query,
    refusals,
    seconds,
    shared,
)
from miniqueue_py.protocol.options import LARGEST_PRIORITY, LONGEST_KEY_BYTES


def _duration(name: str, text: str) -> Part:
    return query(name, GO_DURATION, text)


_MESSAGE_ID = {
    "Miniqueue-Message-Id": {
        "required": True,
        "schema": {"type": "string"},
        "description": "The message keeps this id wherever it goes.",
    }
}
_DUPLICATE = {
    "Miniqueue-Duplicate": {"required": True, "schema": {"type": "string", "enum": ["true"]}}
}

_PUBLISH = {
    "summary": "Publish a message",
    "description": "The body is the message, whatever it is. The answer means that it is stored, "
    "as durably as the broker's -fsync says.",
    "parameters": [
        _duration("delay", "The message is not delivered before that."),
        query(
            "priority",
            {"type": "integer", "minimum": 0, "maximum": LARGEST_PRIORITY, "default": 0},
            "The higher is delivered first.",
        ),
        _duration("ttl", "The message is removed if it is not delivered by then."),
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY_BYTES},
            "description": "A second publish of the key to the topic, within the topic's "
            "dedupeWindow, stores nothing. 1 to 256 bytes of UTF-8.",
        },
    ],
    "requestBody": {
        "content": {"application/octet-stream": {"schema": {}, "examples": {"a": {"value": "hi"}}}}
    },
    "responses": {
        "201": {"description": "Stored.", "headers": _MESSAGE_ID},
        "200": {
            "description": "The key was known: nothing was stored.",
            "headers": _MESSAGE_ID | _DUPLICATE,
        },
    }
    | refusals(
        *("BadRequest", "Contradiction", "TooLong", "Full", "Unavailable", "DiskFull"),
    ),
}

_RECEIVE = {
    "summary": "Receive messages",
    "description": "Each comes with a receipt, which settles it, and a lease: past that the "
    "message is ready again. There are fewer than `max` if fewer wait, or if they are large.",
    "parameters": [
        limit(str(RECEIVED_UNASKED), MOST_RECEIVED),
        _duration(
            "wait",
            f"How long to wait for the first, up to {LONGEST_WAIT_SECONDS:g}s; "
            "not at all if nobody says.",
        ),
        _duration(
            "lease",
            f"How long they may be held, {SHORTEST_LEASE_SECONDS * 1000:g}ms to "
            f"{LONGEST_LEASE_SECONDS / 3600:g}h. If nobody says, as the topic's policy does, "
            f"or else {RECEIVE_LEASE_SECONDS:g}s.",
        ),
    ],
    "responses": {
        "200": page(
            "At least one message.",
            {"type": "array", "minItems": 1, "items": shared("schemas", "Delivery")},
        ),
        "204": {"description": "There was none."},
    }
    | refusals("BadRequest", "Full", "Unavailable"),
}

_RECEIPTS = {"type": "array", "items": RECEIPT}
_SETTLE = {
    "summary": "Settle deliveries",
    "description": "In the order of the body. A body that is wrong settles nothing.",
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": object_of(
                    {},
                    {
                        "ack": _RECEIPTS | {"description": "Done: removed."},
                        "nack": _RECEIPTS | {"description": "To the front."},
                        "back": _RECEIPTS | {"description": "To the back."},
                        "release": _RECEIPTS
                        | {"description": "To the front, and the attempt is not counted."},
                        "dead": _RECEIPTS | {"description": "To the dead-letter topic."},
                        "touch": _RECEIPTS | {"description": "Begin the lease anew."},
                        "dack": {
                            "type": "object",
                            "description": "Set aside, each for so long; then to the front.",
                            "additionalProperties": seconds("minimum"),
                        },
                    },
                ),
                "example": {"ack": ["Zm9vYmFyYmF6MTIz"], "dack": {"cXV4cXV4cXV4MTIz": 5}},
            }
        },
    },
    "responses": {
        "200": page(
            "All others are settled.",
            object_of(
                {
                    "expired": _RECEIPTS
                    | {"description": "The receipts that were not held, or not any more."}
                }
            ),
        )
    }
    | refusals("BadRequest", "TooLong"),
}


MESSAGE_PATHS: Part = {
    "/publish/{topic}": of_topic(post=_PUBLISH),
    "/receive/{topic}": of_topic(post=_RECEIVE),
    "/settle/{topic}": of_topic(post=_SETTLE),
}
