"""What a supervisor asks: does it live, can it work."""

from quart import Blueprint, Response

from miniqueue_py.broker.broker import Broker
from miniqueue_py.http.problems import as_response, problem


def operations(broker: Broker) -> Blueprint:
    """Return the pages /healthz (the loop turns) and /readyz (storage writes, not draining)."""
    pages = Blueprint("operations", __name__)

    @pages.get("/healthz")
    async def healthz() -> Response:
        longest = str(broker.limits.max_message_bytes)
        headers = {"miniqueue-max-message": longest}
        return Response(b"ok\n", 200, headers, content_type="text/plain")

    @pages.get("/readyz")
    async def readyz() -> Response:
        reason = "the broker is draining" if broker.is_draining else str(broker.failure or "")
        if not reason:
            return Response(b"ok\n", 200, content_type="text/plain")
        return as_response(*problem(503, reason))

    return pages
