"""Everything that is not a stream: a Quart application, nothing global."""

from typing import Any

from quart import Quart, Request, Response
from werkzeug.exceptions import HTTPException

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.openapi.document import description
from miniqueue_py.http.operations import operations
from miniqueue_py.http.problems import as_response, problem, problem_of
from miniqueue_py.http.receiving import receiving
from miniqueue_py.http.topics import topic_pages

LONGEST_BODY_BYTES = 1 << 18
"""Room for ten thousand receipts. Quart cannot bound one page, and keeps what it does not read."""


def create_app(broker: Broker, administration: Administration) -> Quart:
    """Return the application that serves `broker`.

    Its paths are raw: what stands in a segment is decoded once, by `topic_name`.
    """
    app = Quart("miniqueue_py", static_folder=None)
    app.request_class = _PageRequest  # type: ignore[assignment]  # typed as Flask's
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY_BYTES
    # Silent cuts of slow peers: the connection's own limits are enough.
    app.config["RESPONSE_TIMEOUT"] = None
    app.config["BODY_TIMEOUT"] = None
    # Nobody is sent to another path: that would be another topic.
    app.url_map.merge_slashes = False
    app.register_blueprint(operations(broker))
    app.register_blueprint(topic_pages(broker, administration))
    app.register_blueprint(receiving(broker))
    app.register_blueprint(description())

    @app.errorhandler(MiniqueueError)
    async def refuse(error: MiniqueueError) -> Response:
        return as_response(*problem_of(error))

    @app.errorhandler(HTTPException)
    async def explain(error: HTTPException) -> Response:
        headers = [(name, value) for name, value in error.get_headers() if name == "Allow"]
        status = error.code or 500
        response = as_response(*problem(status, _EXPLANATIONS.get(status, error.description or "")))
        response.headers.extend(headers)
        return response

    return app


class _PageRequest(Request):
    """A request whose query Quart does not see: it stumbles over one that is not UTF-8.

    Pages read it from the scope.
    """

    def __init__(
        self,
        method: str,
        scheme: str,
        path: str,
        _query_string: bytes,
        *others: Any,
        **more: Any,
    ) -> None:
        super().__init__(method, scheme, path, b"", *others, **more)


_EXPLANATIONS = {
    404: "there is no such page; a topic is published to with POST /publish/{topic}, "
    "and GET /openapi.json describes the pages",
    405: "this method is not allowed here, those in Allow are; publish with POST /publish/{topic}, "
    "consume with POST /subscribe/{topic}, delete with DELETE /{topic}",
    413: f"the body is longer than {LONGEST_BODY_BYTES} bytes; send it in several requests",
}
