"""HTTP/1.1: what is no request is refused, and what follows it is not looked at."""

import itertools

import pytest

from miniqueue_py.http.servers.http1_limits import MOST_DROPPED_BYTES, MOST_FIELDS, MOST_HEAD_BYTES
from tests.http.exchanges import settle
from tests.http.http1 import LONGEST, Peer, body_of, chunked, get, post

pytestmark = pytest.mark.anyio

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

LENGTH = b"Content-Length: 0\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
"""Framings that two servers may take differently: each must be refused."""
FRAMINGS = [
    *(b"".join(each) for each in itertools.product((LENGTH, CHUNKED), repeat=2)),
    LENGTH + b"Content-Length: 35\r\n",
    *(
        b"Content-Length:%b\r\n" % value
        for value in (
            *(b"", b" ", b" +1", b" -1", b" 0x1", b" 1,1", b" 1, 1", b" 1 1", b" 1_0", b" 1.0"),
            *(b" 1e1", b" 99999999999999999999999", b" \xd9\xa1", b" \x0b1", b"\x001"),
        )
    ),
    *(
        b"Transfer-Encoding:%b\r\n" % value
        for value in (
            *(b"", b" identity", b" gzip", b" gzip, chunked", b" chunked, gzip", b" xchunked"),
            *(b" chunked, chunked", b" \x0bchunked", b" chunked;q=1", b' "chunked"', b" chunked,"),
        )
    ),
    *(
        name + b": chunked\r\n"
        for name in (
            *(b"Transfer-Encoding ", b" Transfer-Encoding", b"Transfer-Encoding\t"),
            *(b"Transfer-Encoding\x00", b"X: y\r\n\tTransfer-Encoding", b"X: y\rTransfer-Encoding"),
            *(b"X: y\nTransfer-Encoding", b"Transfer\xa0Encoding", b"\xefTransfer-Encoding"),
        )
    ),
]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_framing_that_may_be_read_in_two_ways(framing: bytes, version: bytes) -> None:
    await check_refused(b"POST /echo HTTP/%b\r\nHost: a\r\n%b\r\n" % (version, framing))


async def check_refused(head: bytes, *statuses: int) -> None:
    """See that a request is refused, and closed, whichever way what follows is read."""
    for behind in b"", b"0\r\n\r\n", b"1\r\nx\r\n0\r\n\r\n", b"x":
        peer = Peer()
        await peer.ask(head + behind + SMUGGLED)
        assert len(peer.statuses) == 1, peer.received
        assert peer.statuses[0] in (statuses or (400, 501)), peer.received
        assert b"connection: close\r\n" in peer.received
        assert peer.received.endswith(b'"}\n')
        assert peer.requests == []
        assert not peer.is_open
        peer.check_is_settled()
    peer = Peer()
    for byte in head + b"\r\n\r\n":
        peer.send(bytes([byte]))
    await settle()
    assert (len(peer.statuses), peer.requests, peer.is_open) == (1, [], False)


HOST = b"Host: a\r\n\r\n"

HEADS = {
    "a line that ends in LF": b"GET / HTTP/1.1\n" + HOST,
    "a field that ends in LF": b"GET / HTTP/1.1\r\nHost: a\n\r\n\r\n",
    "a bare CR in a field": b"GET / HTTP/1.1\r\nX: a\rb\r\n" + HOST,
    "a bare CR in the target": b"GET /\r HTTP/1.1\r\n" + HOST,
    "a NUL in a field": b"GET / HTTP/1.1\r\nX: a\0b\r\n" + HOST,
    "a field in two lines": b"GET / HTTP/1.1\r\nX: a\r\n b\r\n" + HOST,
    "a field without a name": b"GET / HTTP/1.1\r\n: a\r\n" + HOST,
    "a field without a colon": b"GET / HTTP/1.1\r\nX\r\n" + HOST,
    "a name of other letters": b"GET / HTTP/1.1\r\n(x): a\r\n" + HOST,
    "no Host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: b\r\n" + HOST,
    "no version": b"GET /\r\n" + HOST,
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST,
    "a space behind the version": b"GET / HTTP/1.1 \r\n" + HOST,
    "a space in the target": b"GET /a b HTTP/1.1\r\n" + HOST,
    "a tab in the line": b"GET\t/ HTTP/1.1\r\n" + HOST,
    "a target that is not ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST,
    "a target with a fragment": b"GET /a#b HTTP/1.1\r\n" + HOST,
    "a target of one word": b"GET a HTTP/1.1\r\n" + HOST,
    "a target of all": b"GET * HTTP/1.1\r\n" + HOST,
    "a URL without a host": b"GET http:///a HTTP/1.1\r\n" + HOST,
    "a URL that is cut off": b"GET http://[x HTTP/1.1\r\n" + HOST,
    "a URL of another kind": b"GET ftp://a/ HTTP/1.1\r\n" + HOST,
    "a URL with a password": b"GET http://a:b@c/ HTTP/1.1\r\n" + HOST,
    "a proxy": b"CONNECT a:1 HTTP/1.1\r\n" + HOST,
    "a method that is no word": b"G@T / HTTP/1.1\r\n" + HOST,
    "a long method": b"G" * 70 + b" / HTTP/1.1\r\n" + HOST,
    "no method": b" / HTTP/1.1\r\n" + HOST,
    "letters of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "nonsense": b"\xff" * 100,
    "a name of the protocol in small letters": b"GET / http/1.1\r\n" + HOST,
    "another protocol": b"GET / RTSP/1.0\r\n" + HOST,
}


@pytest.mark.parametrize("what", HEADS)
async def test_head_that_is_none(what: str) -> None:
    await check_refused(HEADS[what], 400)


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3"])
async def test_other_version(version: str) -> None:
    await check_refused(b"GET / HTTP/%b\r\n%b" % (version.encode(), HOST), 505, 400)


async def test_one_who_goes_over_to_http_2_is_told_what_is_spoken() -> None:
    peer = Peer()
    # Who begins with it gets HTTP/2: tests/outside/test_first_contact.py.
    await peer.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    assert peer.statuses == [505]
    assert b"HTTP/1.1 and HTTP/2 are spoken here" in peer.received


MANY_FIELDS = b"".join(b"X-%d: y\r\n" % number for number in range(MOST_FIELDS))
LONG_FIELD = b"X: %b\r\n" % (b"y" * MOST_HEAD_BYTES)


@pytest.mark.parametrize("fields", [MANY_FIELDS, LONG_FIELD])
async def test_head_of_too_much(fields: bytes) -> None:
    await check_refused(b"GET /echo HTTP/1.1\r\n" + fields + HOST, 431)
    peer = Peer()
    for at in range(0, len(fields), 5000):
        peer.send((b"GET /echo HTTP/1.1\r\n" + fields + HOST)[at : at + 5000])
    await settle()
    assert peer.statuses == [431]


async def test_head_of_much() -> None:
    fields = [f"X-{number}: {'y' * 600}" for number in range(MOST_FIELDS - 1)]
    assert body_of(await Peer().ask(get("/echo", *fields)))[0] == "GET"


@pytest.mark.parametrize(
    "target", ["http://a/echo?x=/y", "HTTP://a:80/echo?x=/y", "https://[::1]:1/echo?x=/y"]
)
async def test_url_as_a_target_counts_by_its_path(target: str) -> None:
    assert body_of(await Peer().ask(get(target)))[:3] == ["GET", "/echo", "x=/y"]


async def test_url_without_a_path_is_that_of_the_root() -> None:
    for target in "http://a", "http://a?x=/y":
        assert body_of(await Peer().ask(get(target)))[1] == "/"


@pytest.mark.parametrize("method", ["FOO", "foo", "get", "PROPFIND", "SOURCE", "PRI", "DESCRIBE"])
async def test_methods_that_nobody_knows_get_to_the_door(method: str) -> None:
    peer = Peer()
    request = post(b"x").replace(b"POST", method.encode())
    answers = await peer.ask(request * 2)
    assert answers.count(b'["%b", ' % method.encode()) == 2


async def test_field_values_are_without_spaces_around_them() -> None:
    peer = Peer()
    await peer.ask(get("/hold", "X: \t a b \t ", "Y:"))
    assert peer.requests[0].request.headers == [(b"host", b"a"), (b"x", b"a b"), (b"y", b"")]


BAD_CHUNKS = {
    "a size below zero": b"-1\r\nx\r\n",
    "a size that is none": b"x\r\nx\r\n",
    "no size": b"\r\nx\r\n",
    "a size in LF": b"1\nx\r\n",
    "a size with a space": b"1 \r\nx\r\n",
    "a size with an x": b"0x1\r\nx\r\n",
    "a size of 72 bits": b"f" * 18 + b"\r\nx",
    "an end that comes late": b"1\r\nxy\r\n",
    "no end": b"1\r\nx0\r\n\r\n",
    "an end in LF": b"1\r\nx\n0\r\n\r\n",
    "a length behind it": b"0\r\nContent-Length: 5\r\n\r\n",
    "an extension in LF": b"1;\n\r\nx\r\n",
    "a trailer in LF": b"0\r\nX: y\n\r\n",
    "a bare CR in a trailer": b"0\r\nX: y\rz\r\n\r\n",
    "many trailers": b"0\r\n" + MANY_FIELDS * 2,
    "a long trailer": b"0\r\n" + LONG_FIELD * 2,
    "a long extension": b"1;" + b"x" * 2 * MOST_HEAD_BYTES,
    "a size of many zeros": b"0" * 2 * MOST_HEAD_BYTES,
}


@pytest.mark.parametrize("what", BAD_CHUNKS)
@pytest.mark.parametrize("before", [b"", b"2\r\nab\r\n"])
async def test_chunks_that_are_none(what: str, before: bytes) -> None:
    peer = Peer()
    await peer.send_on(chunked(end=before + BAD_CHUNKS[what] + SMUGGLED))
    assert peer.statuses == [400]
    assert len(peer.requests) == 1
    assert not peer.is_open
    peer.check_is_settled()


async def test_handler_whose_chunks_are_none_learns_that_nothing_follows() -> None:
    peer = Peer()
    await peer.ask(chunked(b"x", path="/hold", end=b"nonsense\r\n"))
    assert peer.handlers[0].events == ["gone"]
    peer.handlers[0].exchange.respond(200, ())
    await settle()
    assert peer.statuses == [400]


async def test_answer_that_was_begun_is_broken_off_where_the_chunks_are_none() -> None:
    peer = Peer()
    await peer.ask(chunked(b"x", path="/hold", end=b""))
    peer.handlers[0].exchange.begin(200, ())
    await peer.ask(b"nonsense\r\n")
    assert peer.handlers[0].events == ["gone"]
    assert peer.statuses == [200]
    assert not peer.received.endswith(b"0\r\n\r\n")
    assert not peer.is_open


TOO_LONG = b"x" * (20 * LONGEST)


@pytest.mark.parametrize("request_bytes", [post(TOO_LONG), chunked(*[b"x" * 1000] * 2000)])
async def test_one_who_is_refused_may_send_all_and_ask_again(request_bytes: bytes) -> None:
    peer = Peer()
    await peer.send_on(request_bytes + get())
    assert peer.statuses == [413, 200]
    assert peer.is_open
    peer.check_is_settled()


async def test_what_is_dropped_has_a_bound() -> None:
    peer = Peer()
    head = post(b"").replace(b": 0\r\n", b": %d\r\n" % (2 * MOST_DROPPED_BYTES))
    sent = len(head)
    await peer.ask(head)
    assert peer.statuses == [413]
    while not peer.transport.is_closing():
        await peer.send_on(TOO_LONG)
        sent += len(TOO_LONG)
    assert MOST_DROPPED_BYTES < sent < MOST_DROPPED_BYTES + 2 * len(TOO_LONG)


async def test_one_who_is_cut_off_may_go_on_for_a_while_and_is_not_heard() -> None:
    peer = Peer()
    await peer.ask(b"nonsense\r\n\r\n")
    assert peer.transport.is_half_closed
    assert not peer.transport.is_closing()
    while not peer.transport.is_closing():
        peer.send(SMUGGLED * 10_000)
    assert peer.requests == []
    assert peer.statuses == [400]


async def test_close_that_was_asked_for_comes_behind_the_body() -> None:
    peer = Peer()
    head, body = post(TOO_LONG, "/echo", "Connection: close").split(b"\r\n\r\n")
    await peer.ask(head + b"\r\n\r\n")
    assert peer.statuses == [413]
    assert not peer.transport.is_closing()
    await peer.send_on(body)
    assert peer.transport.is_closing()
