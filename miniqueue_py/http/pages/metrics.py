"""How the broker does, for whoever scrapes it; whether it lives is health.py's."""

from collections.abc import Iterator

from quart import Blueprint, Response, request

from miniqueue_py.telemetry.exposition import OPENMETRICS, OPENMETRICS_VERSION, Exposition


def operations(exposition: Exposition) -> Blueprint:
    """Return the page /metrics."""
    pages = Blueprint("operations", __name__)

    @pages.get("/metrics")
    async def metrics() -> Response:
        accept = ",".join(request.headers.getlist("accept"))
        page, content_type = await exposition.render(is_openmetrics=prefers_openmetrics(accept))
        return Response(page, 200, {"vary": "accept"}, content_type=content_type)

    return pages


def prefers_openmetrics(accept: str) -> bool:
    """Tell which of the two formats an Accept header asks for.

    One that cannot be read, or asks for neither, gets the plain one: nobody
    can do more with a refusal. The versions of OpenMetrics that are asked for
    are no number at all times, so the library does not get to see them.
    """
    openmetrics = plain = 0.0
    for media_type, quality, version in _media_types(accept):
        if media_type == OPENMETRICS and version in {"", OPENMETRICS_VERSION}:
            openmetrics = max(openmetrics, quality)
        elif media_type == "text/plain":
            plain = max(plain, quality)
    return openmetrics > 0 and openmetrics >= plain


def _media_types(accept: str) -> Iterator[tuple[str, float, str]]:
    """Yield each media type with its q and its version."""
    for each in accept.split(","):
        media_type, *pairs = each.split(";")
        parameters = {
            name.strip().lower(): value.strip().strip('"')
            for name, _, value in (pair.partition("=") for pair in pairs)
        }
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            quality = 0.0
        yield media_type.strip().lower(), quality, parameters.get("version", "")
