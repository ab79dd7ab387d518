"""What the description says where rights are needed: of each request, which one."""

from collections.abc import Mapping
from typing import Any

from miniqueue_py.http.access.needs import NATIVE
from miniqueue_py.http.access.rights import CONSUME, PUBLISH, RIGHTS, Right
from miniqueue_py.http.pages.openapi.parts import Part, page, shared

_OPEN = {"/healthz", "/readyz"}
_STREAMS: Mapping[str, Right] = {"publish": PUBLISH, "receive": CONSUME, "settle": CONSUME}
_ENDPOINTS = {
    ("get", "/topics"): "topics.show_all",
    ("get", "/topics/{topic}"): "topics.show",
    ("put", "/topics/{topic}"): "topics.set_policy",
    ("get", "/topics/{topic}/peek"): "topics.peek",
    **{
        ("post", f"/topics/{{topic}}/{verb}"): f"topics.{verb}"
        for verb in ("pause", "resume", "purge", "redrive")
    },
    ("get", "/metrics"): "operations.metrics",
    ("get", "/openapi.json"): "openapi.openapi",
}
_DELETE = "topics.delete"

_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of the broker's file; the names beside it are the rights it needs.",
}
_ERROR = shared("schemas", "Error")
_RIGHT_ERROR = {
    "type": "object",
    "properties": {
        "error": {"type": "string"},
        "right": {"type": "string", "enum": list(RIGHTS)},
        "topic": {"type": "string", "description": "Left out where all topics are meant."},
    },
    "required": ["error", "right"],
    "additionalProperties": False,
}


def with_rights(document: Part) -> Part:
    """Return the description of a broker that asks who somebody is."""
    components = document["components"]
    return document | {
        "paths": {
            path: {
                method: _with_right(path, method, told) if method != "parameters" else told
                for method, told in methods.items()
            }
            for path, methods in document["paths"].items()
        },
        "components": components
        | {
            "securitySchemes": {"token": _SCHEME},
            "responses": components["responses"]
            | {
                "NotAuthenticated": page("No token came, or one that is not known.", _ERROR),
                "Forbidden": page("The token lacks a right.", _RIGHT_ERROR),
            },
        },
    }


def right_of(path: str, method: str) -> Right | None:
    """Return what a request needs; None if it is enough to be somebody."""
    folder = path.split("/")[1]
    if folder in _STREAMS:
        return _STREAMS[folder]
    return NATIVE[_DELETE if method == "delete" else _ENDPOINTS[method, path]].right


def _with_right(path: str, method: str, told: dict[str, Any]) -> Part:
    if path in _OPEN and method == "get":
        return told | {"security": []}
    right = right_of(path, method)
    refusals = {"401": shared("responses", "NotAuthenticated")}
    if right is not None:
        refusals["403"] = shared("responses", "Forbidden")
    return told | {
        "security": [{"token": [] if right is None else [right]}],
        "responses": told["responses"] | refusals,
    }
