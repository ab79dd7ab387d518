"""What a request for a stream asks for beside its topic: by query, and by header."""

import re

from miniqueue_py.errors import BadParameter
from miniqueue_py.http.exchange import Request
from miniqueue_py.http.query import Query, publication_terms
from miniqueue_py.protocol.options import check_key

IDEMPOTENCY_KEY = b"idempotency-key"

SHORTEST_LEASE_SECONDS = 0.001
LONGEST_LEASE_SECONDS = 86400.0

SHORTEST_HEARTBEAT_SECONDS = 1.0
LONGEST_HEARTBEAT_SECONDS = 3600.0

NO_TERMS = (0, 0.0, None)
"""Of a publish that asks for nothing by its query."""


def terms_of(request: Request) -> tuple[int, float, float | None]:
    """Return the priority, the delay and the ttl of a publish. Raises BadParameter.

    It is MiniQueue's own request, which ignores what it does not know.
    """
    query = request.query
    return publication_terms(Query(query)) if query else NO_TERMS


def batch_terms_of(request: Request) -> tuple[int, float, float | None]:
    """Return those of a batch, and refuse what is unknown. Raises BadParameter."""
    if not request.query:
        return NO_TERMS
    query = Query(request.query)
    query.check_known("priority", "delay", "ttl")
    return publication_terms(query)


def key_of(request: Request) -> str | None:
    """Return the idempotency key of a publish. Raises BadParameter."""
    key = request.header(IDEMPOTENCY_KEY)
    if key is None:
        return None
    try:
        return check_key(_unquoted(key.decode()))
    except ValueError as error:  # bytes that are not UTF-8 too
        problem = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise BadParameter("Idempotency-Key", problem) from None


def _unquoted(text: str) -> str:
    """Return what a string of structured fields says (RFC 8941, section 3.3.3), or text as it is.

    The draft of this header has it in quotes; most clients send it without.
    """
    quoted = _QUOTED.fullmatch(text)
    return text if quoted is None else _ESCAPED.sub(r"\1", quoted[1])


_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED = re.compile(r"\\(.)")


def subscription_terms(request: Request) -> tuple[float | None, float | None]:
    """Return how long a delivery may be held, and when a quiet stream is to show that it lives.

    Each is None if the subscriber does not say. Raises BadParameter.
    """
    if not request.query:
        return None, None
    query = Query(request.query)
    lease = query.duration("lease", None, least=SHORTEST_LEASE_SECONDS, most=LONGEST_LEASE_SECONDS)
    heartbeat = query.duration(
        "heartbeat", None, least=SHORTEST_HEARTBEAT_SECONDS, most=LONGEST_HEARTBEAT_SECONDS
    )
    return lease, heartbeat
