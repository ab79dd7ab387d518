"""Everything that is not a stream: a Quart application, nothing global."""

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.login import login
from miniqueue_py.http.access.needs import NATIVE
from miniqueue_py.http.access.pages import guard_pages
from miniqueue_py.http.native.receiving import LONGEST_BODY_BYTES, TOO_LONG
from miniqueue_py.http.new_app import new_app
from miniqueue_py.http.pages.metrics import operations
from miniqueue_py.http.pages.openapi.document import description
from miniqueue_py.http.pages.topics import OF_MINIQUEUE, PARAMETERS, topic_pages
from miniqueue_py.http.problems import as_response, problem, problem_of
from miniqueue_py.http.query import Query
from miniqueue_py.http.servers.connections import Connections
from miniqueue_py.telemetry.exposition import Exposition
from miniqueue_py.telemetry.metrics import Metrics


def create_app(
    broker: Broker,
    administration: Administration,
    metrics: Metrics,
    connections: Connections,
    access: Access | None = None,
) -> Quart:
    """Return the application that serves `broker`."""
    app = new_app(LONGEST_BODY_BYTES)  # Quart keeps what no page reads
    if access is not None:
        guard_pages(app, access, NATIVE)
        app.register_blueprint(login(access))
    audit = access.audit if access is not None else None
    exposition = Exposition(metrics, broker, administration, connections, audit)
    app.register_blueprint(operations(exposition))
    app.register_blueprint(topic_pages(broker, administration))
    app.register_blueprint(description(needs_rights=access is not None))

    @app.before_request
    async def check_parameters() -> None:
        page = request.endpoint  # none where there is no page, which is told otherwise
        if page is not None and page not in OF_MINIQUEUE:
            Query(request.scope["query_string"]).check_known(*PARAMETERS.get(page, ()))

    @app.errorhandler(MiniqueueError)
    async def refuse(error: MiniqueueError) -> Response:
        return as_response(*problem_of(error, _accept()))

    @app.errorhandler(HTTPException)
    async def explain(error: HTTPException) -> Response:
        headers = [(name, value) for name, value in error.get_headers() if name == "Allow"]
        status = error.code or 500
        text = _EXPLANATIONS.get(status, error.description or "")
        response = as_response(*problem(status, text, accept=_accept()))
        response.headers.extend(headers)
        return response

    return app


def _accept() -> bytes:
    return request.headers.get("Accept", "").encode()


_EXPLANATIONS = {
    404: "there is no such page; a topic is published to with POST /publish/{topic}, "
    "and GET /openapi.json describes the pages",
    405: "this method is not allowed here, those in Allow are; publish with POST /publish/{topic}, "
    "consume with POST /subscribe/{topic}, delete with DELETE /{topic}",
    413: TOO_LONG,
}
