"""A dialect as an application of its own: its errors look like its system's."""

from quart import Quart, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.access.access import Access
from miniqueue_py.http.access.pages import guard_pages
from miniqueue_py.http.dialects.busy import NOT_ALLOWED, told, told_of
from miniqueue_py.http.dialects.dialect import OpenDialect
from miniqueue_py.http.new_app import new_app
from miniqueue_py.http.problems import FAILED, as_response


def dialect_app(dialect: OpenDialect, *, longest_body_bytes: int, access: Access | None) -> Quart:
    """Return the application of a dialect, with its paths at the root."""
    app = new_app(longest_body_bytes)
    if access is not None:
        guard_pages(app, access, dialect.needs)
    app.register_blueprint(dialect.pages())

    @app.errorhandler(MiniqueueError)
    async def refuse(error: MiniqueueError) -> Response:
        return as_response(*told_of(dialect.explain, error))

    @app.errorhandler(HTTPException)
    async def explain_page(error: HTTPException) -> Response:
        status = error.code or 500
        text = FAILED if status == 500 else _TEXTS.get(status, error.description or error.name)  # noqa: PLR2004
        response = as_response(*told(dialect.explain, status, text))
        if isinstance(error, MethodNotAllowed):  # named in an order of their own each time
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    return app


_TEXTS = {
    404: "page not found",
    405: NOT_ALLOWED,
    413: "the body is too long",
}
