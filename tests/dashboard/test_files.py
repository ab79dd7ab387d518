"""The files of the page, and what the browser is told of them."""

import re
from importlib.resources import files

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from miniqueue_py.http import dashboard as package
from miniqueue_py.http.dashboard import dashboard

pytestmark = pytest.mark.anyio

TYPES = {
    "": "text/html; charset=utf-8",
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "stats.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@pytest.fixture
def client() -> Client:
    app = Quart("files", static_folder=None)
    app.register_blueprint(dashboard())
    return app.test_client()


@pytest.mark.parametrize("name", TYPES)
async def test_each_file_is_served_as_what_it_is_and_held_to_its_own_origin(
    client: Client, name: str
) -> None:
    answer = await client.get(f"/{name}")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == TYPES[name]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in answer.headers[POLICY].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert await answer.get_data(as_text=False) == body_of(name or "index.html")


@pytest.mark.parametrize("name", TYPES)
async def test_a_file_that_the_browser_has_is_not_sent_again(client: Client, name: str) -> None:
    first = await client.get(f"/{name}")

    again = await client.get(f"/{name}", headers={"If-None-Match": first.headers["etag"]})
    other = await client.get(f"/{name}", headers={"If-None-Match": '"older"'})

    assert again.status_code == 304
    assert await again.get_data(as_text=False) == b""
    assert again.headers["etag"] == first.headers["etag"]
    assert other.status_code == 200


async def test_head_tells_what_get_would(client: Client) -> None:
    get, head = await client.get("/"), await client.head("/")  # the door leaves out the body

    assert head.status_code == 200
    assert dict(head.headers) == dict(get.headers)


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
async def test_nothing_but_get_and_head_is_allowed(client: Client, method: str) -> None:
    answer = await getattr(client, method)("/dashboard.js")

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    "path", ["/index.html", "/__init__.py", "/../dashboard.js", "/%2e%2e/app.py", "/icon.svg/"]
)
async def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert (await client.get(path)).status_code == 404


def test_every_file_beside_the_code_is_served() -> None:
    beside = {each.name for each in files(package).iterdir() if each.is_file()}

    assert beside - {"__init__.py"} == {name or "index.html" for name in TYPES}


def test_the_page_has_no_script_or_style_in_it_and_no_address_of_others() -> None:
    page = body_of("index.html").decode()

    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert set(addresses) <= {*TYPES, "stats"}


def body_of(name: str) -> bytes:
    return files(package).joinpath(name).read_bytes()


POLICY = "content-security-policy"
