"""Error class to status and body: the one table."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from miniqueue_py import errors

if TYPE_CHECKING:
    from quart import Response

Headers = list[tuple[bytes, bytes]]

_STATUSES: dict[type[errors.MiniqueueError], int] = {
    errors.MessageTooLong: 413,
    errors.UnknownContentType: 415,
    errors.BadRequest: 400,
    errors.TopicNotFound: 404,
    errors.Contradiction: 409,
    errors.TopicFull: 429,
    errors.TooMuchHeld: 429,
    errors.DiskFull: 507,
    errors.Unavailable: 503,
    errors.MiniqueueError: 500,
}
"""The first class in an error's ancestry that stands here decides."""

FAILED = "the broker failed; its log tells how"
"""Told to a client when something went wrong that nobody foresaw."""

WORTH_REPEATING = {429, 503}
RETRY_AFTER = (b"retry-after", b"1")


def status_of(error: errors.MiniqueueError) -> int:
    return next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)


def problem(status: int, text: str) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of an answer that tells what went wrong."""
    body = json.dumps({"error": text}, ensure_ascii=False).encode() + b"\n"
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if status in WORTH_REPEATING:
        headers.append(RETRY_AFTER)
    return status, headers, body


def problem_of(error: errors.MiniqueueError) -> tuple[int, Headers, bytes]:
    """Return the answer to a request that raised `error`."""
    return problem(status_of(error), str(error))


def as_response(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> "Response":
    """Return the same answer for a Quart view."""
    from quart import Response  # noqa: PLC0415  streams need this file and no Quart

    return Response(body, status, {name.decode(): value.decode() for name, value in headers})
