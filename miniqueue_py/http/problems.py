"""Error class to status and body: the one table."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from miniqueue_py import errors
from miniqueue_py.http.access import refusals
from miniqueue_py.protocol.codes import code_of, code_of_status

if TYPE_CHECKING:
    from quart import Response

Headers = list[tuple[bytes, bytes]]

_STATUSES: dict[type[errors.MiniqueueError], int] = {
    refusals.NotAuthenticated: 401,
    refusals.Forbidden: 403,
    refusals.TooManyRequests: 429,
    refusals.TooManyStreams: 429,
    errors.MessageTooLong: 413,
    errors.UnknownContentType: 415,
    errors.KeyReused: 422,
    errors.BadRequest: 400,
    errors.ForeignPage: 403,
    errors.UnknownHost: 421,
    errors.TopicNotFound: 404,
    errors.Contradiction: 409,
    errors.TopicFull: 429,
    errors.TooMuchHeld: 429,
    errors.DiskFull: 507,
    errors.Unavailable: 503,
    errors.NotSupported: 501,
    errors.MiniqueueError: 500,
}
"""The first class in an error's ancestry that stands here decides."""

FAILED = "the broker failed; its log tells how"
"""Told to a client when something went wrong that nobody foresaw."""

PROBLEM_JSON = b"application/problem+json"

WORTH_REPEATING = {429, 503}
RETRY_AFTER = (b"retry-after", b"1")


def status_of(error: errors.MiniqueueError) -> int:
    return next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)


def problem(
    status: int,
    text: str,
    *,
    accept: bytes | None = None,
    code: str | None = None,
    members: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of an answer that tells what went wrong.

    The `members` are facts of it. To whoever accepts that it is also a problem of RFC 9457,
    and has a `code`.
    """
    told: dict[str, object] = {"error": text, **members}
    kind = b"application/json"
    if accept is not None and PROBLEM_JSON in accept.lower():
        kind = PROBLEM_JSON
        code = code or code_of_status(status)
        told |= {
            "type": f"urn:miniqueue:error:{code}",
            "title": code.replace("_", " "),
            "status": status,
            "detail": text,
            "code": code,
        }
    body = json.dumps(told, ensure_ascii=False).encode() + b"\n"
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
    ]
    if status in WORTH_REPEATING:
        headers.append(RETRY_AFTER)
    return status, headers, body


def problem_of(
    error: errors.MiniqueueError, accept: bytes | None = None
) -> tuple[int, Headers, bytes]:
    """Return the answer to a request that raised `error`."""
    status = status_of(error)
    if not isinstance(error, refusals.AccessRefused):
        return problem(status, str(error), accept=accept, code=code_of(error))
    _, headers, body = problem(status, str(error), accept=accept, members=error.members)
    return status, [*headers, *error.fields], body


def as_response(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> "Response":
    """Return the same answer for a Quart view."""
    from quart import Response  # noqa: PLC0415  streams need this file and no Quart

    return Response(body, status, {name.decode(): value.decode() for name, value in headers})
