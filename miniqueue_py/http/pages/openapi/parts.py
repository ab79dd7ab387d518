"""What several pages of the description share: values, parameters, refusals.

`format: go-duration` is a duration as Go writes it. A topic's name is measured
in bytes; a schema can only count its characters.
"""

from typing import Any

from miniqueue_py.broker.policy import (
    DEFAULT_POLICY,
    LARGEST_CAP,
    LARGEST_FACTOR,
    LONGEST_SECONDS,
    MOST_DELIVERIES,
    Backoff,
)
from miniqueue_py.protocol.codes import all_codes
from miniqueue_py.protocol.options import LARGEST_PRIORITY
from miniqueue_py.protocol.topics import COUNTS, REASONS
from miniqueue_py.topic_names import LONGEST_NAME_BYTES

Part = dict[str, Any]

GO_DURATION = {"type": "string", "format": "go-duration", "examples": ["30s"]}
TOPIC_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_NAME_BYTES,
    "pattern": "^[^/\\u0000-\\u001f\\u007f-\\u009f]+$",
    "description": "1 to 255 bytes of UTF-8 without / and control characters. "
    "Nothing needs to be made first.",
    "examples": ["orders"],
}
REASON = {"type": "string", "enum": list(REASONS)}
RECEIPT = {"type": "string", "description": "The word that settles a delivery."}
MESSAGE_ID = {"type": "string", "pattern": "^[0-9]{1,20}-[0-9]{1,20}$", "examples": ["1-17"]}
_MILLISECONDS = {"type": "integer", "description": "Milliseconds since the epoch."}
_COUNT = {"type": "integer", "minimum": 0}


def object_of(required: Part, optional: Part | None = None, **more: object) -> Part:
    """Return the schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        **({"required": list(required)} if required else {}),
        "additionalProperties": False,
        **more,
    }


def seconds(least: str, **more: object) -> Part:
    """Return the schema of a duration in JSON; `least` is "minimum" or "exclusiveMinimum"."""
    number = {"type": "number", least: 0, "maximum": LONGEST_SECONDS}
    return {"anyOf": [number, GO_DURATION], **more}


def or_null(schema: Part) -> Part:
    return {"anyOf": [schema, {"type": "null"}]}


def shared(kind: str, name: str) -> Part:
    """Refer to one of the COMPONENTS."""
    return {"$ref": f"#/components/{kind}/{name}"}


def query(name: str, schema: Part, text: str) -> Part:
    """Return the description of a parameter behind the `?`."""
    return {"name": name, "in": "query", "schema": schema, "description": text}


def limit(unasked: str, most: int) -> Part:
    """Return the description of `max`."""
    schema = {"type": "integer", "minimum": 1, "maximum": most}
    return query("max", schema, f"How many at most; {unasked} if nobody says.")


def of_topic(**methods: Part) -> Part:
    """Return the methods of a path with a topic in it."""
    return {"parameters": [shared("parameters", "topic")], **methods}


def page(text: str, schema: Part, **more: object) -> Part:
    """Return the description of an answer in JSON."""
    return {"description": text, "content": {"application/json": {"schema": schema}}, **more}


def refusals(*names: str) -> Part:
    """Return the answers of that kind, by status; a fault of the broker is always possible."""
    statuses = {name: status for status, name in _NAMES.items()}
    return {statuses[name]: shared("responses", name) for name in (*names, "Failed")}


_NAMES = {
    "400": "BadRequest",
    "404": "TopicNotFound",
    "409": "Contradiction",
    "413": "TooLong",
    "429": "Full",
    "500": "Failed",
    "503": "Unavailable",
    "507": "DiskFull",
}


def _refusal(text: str, **more: object) -> Part:
    refused = page(text, shared("schemas", "Error"), **more)
    refused["content"]["application/problem+json"] = {"schema": shared("schemas", "Problem")}
    return refused


_RETRY_AFTER = {
    "headers": {
        "Retry-After": {"required": True, "schema": {"type": "integer"}, "description": "Seconds."}
    }
}

_BACKOFF_FIELDS: Part = {
    "initial": seconds("exclusiveMinimum", default=int(Backoff().initial)),
    "factor": {
        "type": "number",
        "minimum": 1,
        "maximum": LARGEST_FACTOR,
        "default": int(Backoff().factor),
    },
    "max": seconds("exclusiveMinimum", default=int(Backoff().max)),
    "jitter": {"type": "number", "minimum": 0, "maximum": 1, "default": Backoff().jitter},
}
_BACKOFF = object_of(
    {},
    {name: or_null(schema) for name, schema in _BACKOFF_FIELDS.items()},
    description="The wait before another attempt: initial * factor^(attempt - 1), at most max, "
    "give or take jitter. `initial` longer than `max` is a contradiction.",
)
_POLICY_FIELDS: dict[str, tuple[Part, str]] = {
    "lease": (seconds("exclusiveMinimum"), "How long a delivery may be held."),
    "maxDeliveries": (
        {"type": "integer", "minimum": 1, "maximum": MOST_DELIVERIES},
        "After so many attempts a message goes to the dead-letter topic.",
    ),
    "deadLetter": (TOPIC_NAME, "The dead-letter topic; {topic}.dead if none is named."),
    "backoff": (_BACKOFF, "How long a message waits after a failed attempt."),
    "ttl": (seconds("exclusiveMinimum"), "Messages that are not delivered by then are removed."),
    "maxMessages": ({"type": "integer", "minimum": 1, "maximum": LARGEST_CAP}, "A cap."),
    "maxBytes": ({"type": "integer", "minimum": 1, "maximum": LARGEST_CAP}, "A cap."),
    "dedupeWindow": (
        seconds("minimum", default=int(DEFAULT_POLICY.dedupe_window)),
        "How long an Idempotency-Key is remembered; 0 is not at all.",
    ),
}
_POLICY = object_of(
    {},
    {
        name: or_null(schema) | {"description": text}
        for name, (schema, text) in _POLICY_FIELDS.items()
    },
    description="The rules of a topic. Durations are seconds, or text such as 30s. "
    "What is left out, or null, is the default.",
    examples=[{"maxDeliveries": 3, "backoff": {"initial": 1, "factor": 2, "max": 60}}],
)

_TOPIC = object_of(
    {"name": TOPIC_NAME}
    | {name: _COUNT | {"description": text} for name, text in COUNTS.items()}
    | {
        "oldestAgeSeconds": or_null({"type": "number", "minimum": 0}),
        "paused": {"type": "boolean"},
        "policy": shared("schemas", "Policy"),
        "deadLetterTopic": {"type": "string", "description": "Where dead letters go."},
    },
)

_MESSAGE_FIELDS = {
    "msg": {"type": "string", "contentEncoding": "base64", "examples": ["aGVsbG8="]},
    "attempt": {"type": "integer", "minimum": 1},
    "messageId": MESSAGE_ID,
}
_DEATH = {
    "topic": TOPIC_NAME,
    "reason": REASON,
    "attempts": {"type": "integer", "minimum": 1},
    "at": _MILLISECONDS,
}
_DEAD = object_of(
    _DEATH,
    {"first": object_of(_DEATH, description="Where it died first, if it has died again since.")},
    description="Where a dead letter came from, why, and when.",
)
_MORE_MESSAGE_FIELDS = {
    "publishedAt": _MILLISECONDS,
    "dackCount": {"type": "integer", "minimum": 1},
    "priority": {"type": "integer", "minimum": 1, "maximum": LARGEST_PRIORITY},
    "dead": _DEAD,
}
_DUE_AT = _MILLISECONDS | {"description": "Until when it is set aside, by the epoch."}

COMPONENTS: Part = {
    "parameters": {
        "topic": {"name": "topic", "in": "path", "required": True, "schema": TOPIC_NAME},
    },
    "responses": {
        "BadRequest": _refusal("A name, a parameter or the body cannot be read."),
        "TopicNotFound": _refusal("There is no such topic."),
        "Contradiction": _refusal("One setting contradicts another."),
        "TooLong": _refusal("The body is longer than is taken here."),
        "Full": _refusal(
            "The topic or the broker is full, or receipts hold too much.", **_RETRY_AFTER
        ),
        "Failed": _refusal("A fault of the broker, which is in its log."),
        "Unavailable": _refusal("The broker stops, or storage failed.", **_RETRY_AFTER),
        "DiskFull": _refusal("The disk is full; consuming goes on."),
    },
    "schemas": {
        "Error": object_of(
            {"error": {"type": "string", "description": "What happened and what to do."}}
        ),
        "Problem": object_of(
            {
                "error": {"type": "string", "description": "As of those who do not accept this."},
                "type": {"type": "string", "format": "uri"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "code": {
                    "enum": sorted(all_codes()),
                    "description": "What to go by: texts may change.",
                },
            },
            description="An error as RFC 9457 has it.",
        ),
        "Policy": _POLICY,
        "Topic": _TOPIC,
        "Message": object_of(_MESSAGE_FIELDS, _MORE_MESSAGE_FIELDS | {"dueAt": _DUE_AT}),
        "Delivery": object_of(_MESSAGE_FIELDS | {"receipt": RECEIPT}, _MORE_MESSAGE_FIELDS),
    },
}
