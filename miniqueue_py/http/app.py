"""Everything that is not a stream: a Quart application, nothing global."""

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.operations import operations
from miniqueue_py.http.problems import problem, problem_of

_LONGEST_BODY_BYTES = 1 << 16
"""No page here takes more than a few lines."""


def create_app(broker: Broker) -> Quart:
    """Return the application that serves `broker`."""
    app = Quart("miniqueue_py", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _LONGEST_BODY_BYTES
    # Silent cuts of slow peers: the connection's own limits are enough.
    app.config["RESPONSE_TIMEOUT"] = None
    app.config["BODY_TIMEOUT"] = None
    app.register_blueprint(operations(broker))

    @app.delete("/<path:_topic>")
    async def delete(_topic: str) -> Response:
        # The raw path: a %2F in a name is a bad name, not another page.
        segment = request.scope["raw_path"].removeprefix(b"/")
        if b"/" in segment:
            return _response(*problem(404, "there is no such page"))
        await broker.purge(topic_name(segment))
        return Response(b"", 200)

    @app.errorhandler(MiniqueueError)
    async def refuse(error: MiniqueueError) -> Response:
        return _response(*problem_of(error))

    @app.errorhandler(HTTPException)
    async def explain(error: HTTPException) -> Response:
        headers = [(name, value) for name, value in error.get_headers() if name == "Allow"]
        status = error.code or 500
        response = _response(*problem(status, _EXPLANATIONS.get(status, error.description or "")))
        response.headers.extend(headers)
        return response

    return app


_EXPLANATIONS = {
    404: "there is no such page; a topic is published to with POST /publish/{topic}",
    405: "this method is not allowed here",
}


def _response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
    response = Response(body, status)
    for name, value in headers:
        response.headers[name.decode()] = value.decode()
    return response
