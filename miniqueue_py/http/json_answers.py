"""Answers of JSON, and those that have no body, for handlers."""

from miniqueue_py.http.exchange import Answer

JSON = (b"content-type", b"application/json")

EMPTY = (b"content-length", b"0")

NO_CONTENT: Answer = (204, (), b"")
"""Without a length: RFC 9110, section 8.6."""


def json_answer(body: bytes, status: int = 200) -> Answer:
    """Return what is JSON already, with a line end for those who read it in a terminal."""
    body += b"\n"
    return status, (JSON, (b"content-length", b"%d" % len(body))), body
