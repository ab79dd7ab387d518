"""Handlers that tests of HTTP/2 connections ask."""

from miniqueue_py.http.exchange import Exchange, Handler, WholeBody


class Echo(WholeBody):
    """Answers with the body."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, 1 << 20)

    def on_whole(self, body: bytes) -> None:
        self.exchange.respond(200, [(b"content-length", b"%d" % len(body))], body)


class Length(WholeBody):
    """Answers with the length of the body."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, 1 << 20)

    def on_whole(self, body: bytes) -> None:
        self.exchange.respond(200, [], b"%d" % len(body))


class Listener(Handler):
    """Keeps what it hears, and says what the test says."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.heard: list[bytes] = []
        self.said: list[str] = []

    def on_body(self, chunk: bytes) -> None:
        self.heard.append(chunk)

    def on_end(self) -> None:
        self.said.append("end")

    def on_gone(self) -> None:
        self.said.append("gone")

    def on_room(self) -> None:
        self.said.append("room")


class Listeners:
    """Makes one for each request, and knows them."""

    def __init__(self) -> None:
        self.all: list[Listener] = []

    def __call__(self, exchange: Exchange) -> Handler:
        self.all.append(Listener(exchange))
        return self.all[-1]

    @property
    def last(self) -> Listener:
        return self.all[-1]
