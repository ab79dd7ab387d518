"""The head of a request of HTTP/1.1: what it must be for anything to be done about it.

What two servers could read in two ways is refused and its connection closed:
behind such a head nobody knows where the next request begins. llhttp judges
the fields and the body's framing; this file has the request line, and what
llhttp lets pass.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from miniqueue_py.http.exchange import Header
from miniqueue_py.http.servers.http1_limits import MOST_FIELDS, MOST_HEAD_BYTES

_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) ([!-~]+) HTTP/1\.([01])\r\n")
_OTHER_VERSION = re.compile(rb"[A-Z]{1,64} [!-~]+ HTTP/(?!1\.[01]\r)[0-9.]+\r\n")
_BEGINNING = re.compile(rb"[ -~]*(\r\n|\r?\Z)")
_ABSOLUTE = re.compile(
    rb"https?://(?:[A-Za-z0-9\-._~%!$&'()*+,;=]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?(?=[/?]|$)(.*)",
    re.IGNORECASE,
)

KNOWN_METHODS = {b"GET", b"POST", b"DELETE", b"PUT", b"HEAD", b"OPTIONS", b"PATCH"}
"""llhttp refuses others than those of its list, and takes some of them for other protocols."""


class Unservable(Exception):
    """What is answered with a status and a sentence, and ends its connection."""

    def __init__(self, status: int, text: str, *, is_in_head: bool = True) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.is_in_head = is_in_head
        """Nothing was begun that it is about."""


class RequestLine(NamedTuple):
    """A request line."""

    method: bytes
    path: bytes
    query: bytes
    version: str


def check_beginning(beginning: bytes) -> None:
    """Refuse what will never be a head, however it goes on. Raises Unservable."""
    if len(beginning) > MOST_HEAD_BYTES:
        raise Unservable(431, f"a head of more than {MOST_HEAD_BYTES} bytes is not read")
    # Of a first line that is there, the rest tells nothing until all of the head is.
    if not _BEGINNING.match(beginning):
        raise Unservable(400, "this is no request of HTTP/1.1")


def read_line(head: bytes) -> RequestLine:
    """Return the request line of a whole head. Raises Unservable."""
    if len(head) > MOST_HEAD_BYTES or head.count(b"\r\n") > MOST_FIELDS + 2:
        text = f"a head of more than {MOST_FIELDS} fields or {MOST_HEAD_BYTES} bytes is not read"
        raise Unservable(431, text)
    line = _LINE.match(head)
    if line is None:
        if _OTHER_VERSION.match(head):
            raise Unservable(505, "HTTP/1.1 and HTTP/2 are spoken here")
        raise Unservable(400, "this is no request of HTTP/1.1")
    method, target, minor = line.groups()
    if target[0] != 47:  # noqa: PLR2004  "/"
        target = _origin_form(method, target)
    if b"#" in target:
        raise Unservable(400, "the target of a request has no fragment")
    path, _, query = target.partition(b"?")
    return RequestLine(method, path, query, "1.1" if minor == b"1" else "1.0")


def _origin_form(method: bytes, target: bytes) -> bytes:
    if target == b"*" and method == b"OPTIONS":
        return target
    # RFC 9112, section 3.2.2; of a proxy's CONNECT there is no path.
    absolute = _ABSOLUTE.fullmatch(target) if method != b"CONNECT" else None
    if absolute is None:
        raise Unservable(400, "the target of a request is a path, or a URL")
    rest: bytes = absolute[1]
    return rest if rest.startswith(b"/") else b"/" + rest


def check_fields(fields: dict[bytes, bytes], headers: Sequence[Header], version: str) -> None:
    """Refuse what llhttp lets pass. Raises Unservable."""
    is_new = version == "1.1"
    if b"host" not in fields:
        if is_new:
            raise Unservable(400, "a request of HTTP/1.1 has a Host")
    elif len(fields) != len(headers) and sum(name == b"host" for name, _ in headers) > 1:
        raise Unservable(400, "a request has one Host")
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if not is_new:
            raise Unservable(400, "HTTP/1.0 has no Transfer-Encoding")
        if coding.lower() != b"chunked":
            raise Unservable(501, "the only Transfer-Encoding that is read here is chunked")


def tokens(headers: Sequence[Header], name: bytes) -> set[bytes]:
    """Return the words of a header that is a list, in lower case."""
    values = b",".join(value for key, value in headers if key == name)
    return {token.strip().lower() for token in values.split(b",")}
