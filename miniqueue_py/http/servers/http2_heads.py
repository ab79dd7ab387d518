"""Headers of HTTP/2 as requests; publishers ask for the same again and again."""

from miniqueue_py.http.exchange import Request

Headers = tuple[tuple[bytes, bytes], ...]

KEPT_BYTES = 1 << 10
"""A request is kept for the next one that is the same, unless its headers are longer."""

_COLON = ord(":")


class Heads:
    """Makes the requests of one connection, and keeps the last that is short."""

    def __init__(self, scheme: str, client: tuple[str, int]) -> None:
        self.last_headers: Headers = ()
        self.last = Request("", b"", b"", (), "2", scheme, client)
        """What was made of them; whoever sees the same headers again need not ask."""
        self._scheme = scheme
        self._client = client

    def __repr__(self) -> str:
        return f"<Heads, the last was {self.last!r}>"

    def read(self, headers: Headers) -> Request:
        """Return the request that they make."""
        pseudo: dict[bytes, bytes] = {}
        for name, value in headers:
            if name[0] != _COLON:
                break
            pseudo[name] = value
        path, _, query = pseudo.get(b":path", b"").partition(b"?")
        method, plain = pseudo.get(b":method", b"").decode("latin-1"), headers[len(pseudo) :]
        authority = pseudo.get(b":authority")
        request = Request(method, path, query, plain, "2", self._scheme, self._client, authority)
        if sum([len(name) + len(value) for name, value in headers]) <= KEPT_BYTES:
            self.last_headers, self.last = headers, request
        return request
