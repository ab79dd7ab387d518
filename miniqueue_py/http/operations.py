"""What a supervisor asks: does it live, can it work, how does it do."""

from collections.abc import Iterator

from quart import Blueprint, Response, request

from miniqueue_py.broker.broker import Broker
from miniqueue_py.http.problems import as_response, problem
from miniqueue_py.telemetry.exposition import OPENMETRICS, OPENMETRICS_VERSION, Exposition

MOST_STALLED_SECONDS = 10.0
"""A disk that takes longer for one fsync is not ready. It may be again: nothing has failed."""


def operations(broker: Broker, exposition: Exposition) -> Blueprint:
    """Return the pages /healthz, /readyz and /metrics.

    The first tells that the loop turns, the second that storage writes and the
    broker does not drain.
    """
    pages = Blueprint("operations", __name__)

    @pages.get("/healthz")
    async def healthz() -> Response:
        longest = str(broker.limits.max_message_bytes)
        headers = {"miniqueue-max-message": longest}
        return Response(b"ok\n", 200, headers, content_type="text/plain")

    @pages.get("/readyz")
    async def readyz() -> Response:
        reason = _why_not_ready(broker)
        if not reason:
            return Response(b"ok\n", 200, content_type="text/plain")
        return as_response(*problem(503, reason))

    @pages.get("/metrics")
    async def metrics() -> Response:
        accept = ",".join(request.headers.getlist("accept"))
        page, content_type = await exposition.render(is_openmetrics=prefers_openmetrics(accept))
        return Response(page, 200, {"vary": "accept"}, content_type=content_type)

    return pages


def _why_not_ready(broker: Broker) -> str:
    if broker.is_draining:
        return "the broker is draining"
    if broker.failure is not None:
        return str(broker.failure)
    if broker.stalled_seconds > MOST_STALLED_SECONDS:
        return f"the disk has not answered an fsync for {broker.stalled_seconds:.0f} s"
    return ""


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
