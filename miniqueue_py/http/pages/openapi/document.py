"""/openapi.json."""

from quart import Blueprint, Response

from miniqueue_py.http.json_bodies import answer_encoded
from miniqueue_py.http.json_text import encode
from miniqueue_py.http.pages.openapi.messages import MESSAGE_PATHS
from miniqueue_py.http.pages.openapi.parts import COMPONENTS, Part, page, refusals
from miniqueue_py.http.pages.openapi.rights import with_rights
from miniqueue_py.http.pages.openapi.topics import DELETE_SAME_NAME, TOPIC_PATHS
from miniqueue_py.version import __version__

_ABOUT = """\
A durable message queue over HTTP/2. This describes the pages that need no duplex; \
they work over HTTP/1.1 as well. `POST /subscribe/{topic}` and `POST /publish/{topic}/batch` \
are streams in both directions: docs/protocol.md tells of them.

Topics need not be made. The Content-Type of a request does not matter. \
A query parameter that is unknown is refused, but with `POST /publish/{topic}` and \
`DELETE /{topic}`, which are MiniQueue's own and ignore it.

What a page of another site has a browser ask is refused with 403, and a request for a host \
that the broker is not with 421.\
"""


def description(*, needs_rights: bool = False) -> Blueprint:
    """Return the page /openapi.json."""
    pages = Blueprint("openapi", __name__)
    encoded = encode(with_rights(document()) if needs_rights else document())

    @pages.get("/openapi.json")
    async def openapi() -> Response:
        return answer_encoded(encoded)

    return pages


def document() -> Part:
    """Return the description of all pages."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "miniqueue",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": MESSAGE_PATHS | TOPIC_PATHS | _OPERATION_PATHS,
        "components": COMPONENTS,
    }


_OK = {"description": "Yes.", "content": {"text/plain": {"schema": {"const": "ok\n"}}}}
_HEALTHZ = {"summary": "Does the broker live?", "responses": {"200": _OK}}
_READYZ = {
    "summary": "Does the broker take messages?",
    "responses": {"200": _OK} | refusals("Unavailable"),
}
_METRICS = {
    "summary": "What is counted, for Prometheus",
    "description": "OpenMetrics 1.0 if Accept prefers it, otherwise the plain text format 0.0.4.",
    "responses": {
        "200": {
            "description": "Metrics.",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        }
    }
    | refusals(),
}
_OPENAPI = {
    "summary": "This description",
    "responses": {"200": page("OpenAPI 3.1.", {"type": "object"})},
}

_OPERATION_PATHS: Part = {
    "/healthz": {"get": _HEALTHZ, "delete": DELETE_SAME_NAME},
    "/readyz": {"get": _READYZ, "delete": DELETE_SAME_NAME},
    "/metrics": {"get": _METRICS, "delete": DELETE_SAME_NAME},
    "/openapi.json": {"get": _OPENAPI, "delete": DELETE_SAME_NAME},
}
