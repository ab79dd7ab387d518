"""The page for people of the task queue, and the few files that it is made of.

It asks for the figures itself, at `stats` beside it, so that all of it can be
mounted anywhere. Nothing of it comes from elsewhere, and the browser is told
to hold it to that.
"""

from functools import partial
from hashlib import sha256
from importlib.resources import files

from quart import Blueprint, Response, request

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    # Kept, and asked for each time whether it is still the one: a broker may be a newer one.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_CONTENT_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "stats.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files by name, and no others: nothing is looked for on the disk for a request."""

_BODIES = {name: files(__name__).joinpath(name).read_bytes() for name in _CONTENT_TYPES}


def dashboard() -> Blueprint:
    """Return the page at / and its files beside it, for GET and HEAD."""
    pages = Blueprint("dashboard", __name__)
    for name in _CONTENT_TYPES:
        pages.add_url_rule(
            "/" if name == "index.html" else f"/{name}",
            endpoint=name.replace(".", "_"),
            view_func=partial(_serve, name),
            methods=["GET"],
            provide_automatic_options=False,
        )
    return pages


async def _serve(name: str) -> Response:
    body = _BODIES[name]
    response = Response(body, 200, _HEADERS, content_type=_CONTENT_TYPES[name])
    response.set_etag(sha256(body).hexdigest()[:32])
    await response.make_conditional(request)
    return response
