"""A dialect as an application of its own: its errors look like its system's."""

from collections.abc import Callable

from quart import Blueprint, Quart, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.new_app import new_app
from miniqueue_py.http.problems import FAILED, WORTH_REPEATING, status_of

Explain = Callable[[int, str], Response]
"""Makes the answer of that status, which says that, as the system would."""


def dialect_app(blueprint: Blueprint, explain: Explain, *, longest_body_bytes: int) -> Quart:
    """Return the application of a dialect, with its paths at the root."""
    app = new_app(longest_body_bytes)
    app.register_blueprint(blueprint)
    for rule in app.url_map.iter_rules():
        if rule.endpoint.endswith(".dequeue") and rule.methods:
            # Every GET page brings one along: it would take a message, and show it to nobody.
            rule.methods.discard("HEAD")

    @app.errorhandler(MiniqueueError)
    async def refuse(error: MiniqueueError) -> Response:
        return _repeatable(explain(status_of(error), str(error)))

    @app.errorhandler(HTTPException)
    async def explain_page(error: HTTPException) -> Response:
        status = error.code or 500
        text = FAILED if status == 500 else _TEXTS.get(status, error.description or error.name)  # noqa: PLR2004
        response = _repeatable(explain(status, text))
        if isinstance(error, MethodNotAllowed):  # named in an order of their own each time
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    return app


_TEXTS = {
    404: "page not found",
    405: "method not allowed",
    413: "the body is too long",
}


def _repeatable(response: Response) -> Response:
    if response.status_code in WORTH_REPEATING:
        response.headers["Retry-After"] = "1"
    return response
