"""The two formats of a batch, by what a request says of its body."""

from miniqueue_py.errors import EncodedBody, UnknownContentType
from miniqueue_py.http.exchange import Request
from miniqueue_py.protocol.batch import NdjsonLines, TextLines

_TEXT = {"", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"}
"""The last is what curl says of any data, if nobody tells it otherwise."""

_JSON = {
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json-lines",
}

_KNOWN = "text/plain (a message a line) or application/x-ndjson (an object a line)"


def reader_of(request: Request, longest_message: int) -> TextLines | NdjsonLines:
    """Return what reads the lines of a request. Raises UnknownContentType.

    Also for a body that is compressed: its newlines are no ends of lines.
    """
    encodings = [value for name, value in request.headers if name == b"content-encoding"]
    encoding = b",".join(encodings).decode("latin-1")
    if any(each.strip().lower() not in {"", "identity"} for each in encoding.split(",")):
        raise EncodedBody(encoding)
    content_type = (request.header(b"content-type") or b"").decode("latin-1")
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _JSON:
        return NdjsonLines(longest_message)
    if kind in _TEXT:
        return TextLines(longest_message)
    raise UnknownContentType(content_type, _KNOWN)
