"""Everything that is not a stream: a Quart application, nothing global."""

from quart import Quart, Response
from werkzeug.exceptions import HTTPException

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.operations import operations
from miniqueue_py.http.problems import as_response, problem, problem_of

_LONGEST_BODY_BYTES = 1 << 16
"""No page here takes more than a few lines."""


def create_app(broker: Broker) -> Quart:
    """Return the application that serves `broker`.

    Its paths are raw: what stands in a segment is decoded once, by `topic_name`.
    """
    app = Quart("miniqueue_py", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.config["MAX_CONTENT_LENGTH"] = _LONGEST_BODY_BYTES
    # Silent cuts of slow peers: the connection's own limits are enough.
    app.config["RESPONSE_TIMEOUT"] = None
    app.config["BODY_TIMEOUT"] = None
    app.register_blueprint(operations(broker))

    @app.delete("/<segment>")
    async def delete(segment: str) -> Response:
        await broker.purge(topic_name(segment.encode("latin-1")))
        return Response(b"", 200)

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


_EXPLANATIONS = {
    404: "there is no such page; a topic is published to with POST /publish/{topic}",
    405: "this method is not allowed here; publish with POST /publish/{topic}, "
    "consume with POST /subscribe/{topic}, delete with DELETE /{topic}",
}
