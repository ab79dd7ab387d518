"""Where applications are mounted, and what stands between them and a server."""

from typing import Any

import pytest

from miniqueue_py.errors import ShuttingDown
from miniqueue_py.http.asgi import App, ClientGone, Event, Receive, Scope, Send, respond
from miniqueue_py.http.asgi_exchange import AsgiRoute
from miniqueue_py.http.door import Door
from miniqueue_py.http.pages.pages import Pages
from miniqueue_py.http.sockets import below
from tests.http.exchanges import Exchange, request

pytestmark = pytest.mark.anyio


def naming(name: str) -> App:
    """Make an application that says who it is, and what it was asked for."""

    async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["raw_path"] == scope["path"].encode("latin-1")
        await respond(send, 200, body=f"{name} {scope['path']}".encode("latin-1"))

    return answer


@pytest.fixture
def pages() -> Pages:
    return Pages(lambda: {"": naming("native"), "tasks": naming("tasks")})


def door(app: App, **others: Any) -> Door:
    def stumble(_path: str, error: Exception) -> None:
        raise error

    return Door(AsgiRoute(app), on_error=stumble, **others)


async def ask(app: App, method: str, target: str) -> Exchange:
    return await request(door(app), method, target)


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/tasks/", b"tasks /"),
        ("GET", "/tasks/stats", b"tasks /stats"),
        ("POST", "/tasks/queues/a%2Fb", b"tasks /queues/a%2Fb"),
        ("GET", "/topics/tasks", b"native /topics/tasks"),
        ("GET", "/tasksx/stats", b"native /tasksx/stats"),
        ("DELETE", "/tasks", b"native /tasks"),
        ("POST", "/tasks", b"native /tasks"),
        ("GET", "/", b"native /"),
    ],
)
async def test_an_application_has_what_is_below_its_name(
    pages: Pages, method: str, path: str, said: bytes
) -> None:
    assert (await ask(pages, method, path)).body == said


@pytest.mark.parametrize(("query", "location"), [("", "tasks/"), ("?a=b", "tasks/?a=b")])
async def test_its_folder_is_named_to_those_who_forget_the_slash(
    pages: Pages, query: str, location: str
) -> None:
    exchange = await ask(pages, "GET", f"/tasks{query}")

    assert (exchange.status, exchange.headers["location"]) == (308, location)


async def test_at_the_root_of_a_port_every_path_is_its(pages: Pages) -> None:
    app = pages.at_root("tasks")

    assert (await ask(app, "GET", "/tasks/stats")).body == b"tasks /tasks/stats"
    assert (await ask(app, "GET", "/")).body == b"tasks /"


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("//", b"native"),
        ("//evil.example/", b"native"),
        ("*", b"native"),
        ("", b"native"),
        ("/tasks//x", b"tasks"),
    ],
)
async def test_a_path_that_would_be_an_address_is_none_that_has_a_page(
    pages: Pages, path: str, who: bytes
) -> None:
    assert (await ask(pages, "GET", path)).body == who + b" /-/-/-/-"


async def test_head_has_no_body(pages: Pages) -> None:
    assert (await ask(pages, "HEAD", "/tasks/stats")).body == b""


async def test_a_door_is_idle_when_nothing_is_asked_for(pages: Pages) -> None:
    native = door(pages)
    await native.wait_idle()

    exchange = Exchange(native, "GET", "/tasks/")
    await exchange.answer()

    await native.wait_idle()


async def test_what_an_application_raises_is_an_answer() -> None:
    async def refuse(*_: Any) -> None:
        raise ShuttingDown

    assert (await ask(refuse, "GET", "/")).status == 503


async def test_socket_whose_client_has_gone_is_told_nothing() -> None:
    async def leave(*_: Any) -> None:
        raise ClientGone

    assert await _shake_hands(door(naming("native"), sockets=leave), b"/") == []


async def test_there_are_no_sockets_beside_those_that_are() -> None:
    heard: list[bytes] = []

    async def sockets(scope: Scope, _receive: Receive, _send: Send) -> None:
        heard.append(scope["raw_path"])

    mounted = door(naming("native"), sockets=below({b"zoldyq": sockets}))

    assert await _shake_hands(mounted, b"/zoldyq/queues/a/dequeue") == []
    assert await _shake_hands(mounted, b"/zoldyqs/queues/a") == [{"type": "websocket.close"}]
    assert await _shake_hands(door(naming("native")), b"/") == [{"type": "websocket.close"}]
    assert heard == [b"/queues/a/dequeue"]


async def _shake_hands(door: Door, path: bytes) -> list[Event]:
    sent: list[Event] = []

    async def receive() -> Event:
        return {"type": "websocket.connect"}

    async def send(event: Event) -> None:
        sent.append(event)

    scope = {"type": "websocket", "scheme": "wss", "path": path.decode(), "raw_path": path}
    await door.converse({**scope, "headers": [(b"host", b"localhost")]}, receive, send)
    return sent
