"""A streamed publish, from the client's side."""

import json
from base64 import b64encode

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.policy import TopicPolicy
from tests.http.streaming import NDJSON, TEXT, Wire

pytestmark = pytest.mark.anyio


@pytest.fixture
def wire() -> Wire:
    return Wire()


def published(count: int) -> dict[str, int]:
    return {"published": count}


def line(body: bytes, **options: object) -> bytes:
    return json.dumps({"msg": b64encode(body).decode(), **options}).encode() + b"\n"


async def test_headers_come_before_anything_was_sent(wire: Wire) -> None:
    async with wire.batch() as stream:
        assert stream.status == 200
        assert stream.headers == {"content-type": "application/x-ndjson", "incremental": "?1"}
        assert not stream.pieces
        assert not stream.has_ended


async def test_every_line_is_a_message_and_is_confirmed_while_more_are_sent(wire: Wire) -> None:
    async with wire.batch() as stream:
        await stream.say(b"1\n2\n\n4")
        assert stream.body == b'{"published":3}\n'
        await stream.say(b"4\r\n5\n")
        assert stream.values == [published(3), published(5)]
        await stream.say(b"last", is_last=True)

        await stream.answer()

    assert stream.values == [published(3), published(5), published(6), published(6)]
    assert wire.kept() == [b"1", b"2", b"", b"44\r", b"5", b"last"]


async def test_line_of_json_says_what_is_asked_for_its_message(wire: Wire) -> None:
    async with wire.batch(NDJSON) as stream:
        await stream.say(line(b"usual") + line(b"high", priority=9) + line(b"too", priority=9))
        await stream.say(line(b"later", delay=60) + line(b"mortal", ttl="10s"), is_last=True)
        await stream.answer()

    assert stream.values[-1] == published(5)
    assert wire.kept() == [b"high", b"too", b"usual", b"mortal"]
    await wire.tick_after(60)
    assert wire.kept() == [b"high", b"too", b"later", b"usual"]


async def test_key_that_is_known_stores_nothing_and_its_line_is_confirmed(wire: Wire) -> None:
    async with wire.batch(NDJSON) as stream:
        await stream.say(line(b"1", key="a") + line(b"1", key="a") + line(b"3"), is_last=True)
        await stream.answer()

    assert stream.values[-1] == published(3)
    assert wire.kept() == [b"1", b"3"]


async def test_key_of_another_message_is_a_bad_line_and_nothing_behind_it_is_stored(
    wire: Wire,
) -> None:
    async with wire.batch(NDJSON) as stream:
        await stream.say(line(b"1", key="a") + line(b"2", key="a") + line(b"3"), is_last=True)
        await stream.answer()

    confirmed, refused = stream.values
    assert confirmed == published(1)
    assert (refused["line"], refused["status"], refused["code"]) == (2, 422, "key_reused")
    assert wire.kept() == [b"1"]


async def test_deliveries_of_a_subscription_are_lines_of_a_batch(wire: Wire) -> None:
    await wire.publish(b"1", b"2", priority=3)
    async with wire.subscribe() as stream, wire.batch(NDJSON) as batch:
        await stream.say(b'"INIT 10"')
        await batch.say(stream.body, is_last=True)
        await batch.answer()

    assert batch.values[-1] == published(2)
    assert wire.kept() == [b"1", b"2", b"1", b"2"]


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, NDJSON, {}])
async def test_empty_body_publishes_nothing_and_makes_no_topic(
    wire: Wire, headers: dict[str, str]
) -> None:
    async with wire.batch(headers) as stream:
        await stream.say(b"", is_last=True)
        await stream.answer()

    assert stream.body == b'{"published":0}\n'
    assert not wire.storage.knows("orders")


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("text/plain; charset=utf-8", False),
        ("application/octet-stream", False),
        ("application/x-www-form-urlencoded", False),
        ("Application/X-NDJSON;charset=utf-8", True),
        ("application/jsonl", True),
    ],
)
async def test_content_type_says_what_a_line_is(
    wire: Wire, content_type: str, is_json: bool
) -> None:
    async with wire.batch({"content-type": content_type}) as stream:
        await stream.say(line(b"x"), is_last=True)
        await stream.answer()

    assert wire.kept() == [b"x" if is_json else line(b"x").rstrip()]


async def test_unknown_content_type_is_refused_before_anything_is_read(wire: Wire) -> None:
    async with wire.batch({"content-type": "application/json"}) as stream:
        await stream.answer()

    assert stream.status == 415
    assert "'application/json' is not taken here" in json.loads(stream.body)["error"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", "zstd", "x"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-ndjson"])
async def test_batch_that_is_compressed_is_refused_and_nothing_of_it_stored(
    wire: Wire, encoding: str, kind: str
) -> None:
    headers = {"content-type": kind, "content-encoding": encoding}
    async with wire.batch(headers) as stream:
        await stream.say(b"\x1f\x8b\n\n", is_last=True)
        await stream.answer()

    assert stream.status == 415
    error = json.loads(stream.body)["error"]
    assert error.startswith(f"Content-Encoding '{encoding}' is not taken here")
    assert wire.kept() == []


@pytest.mark.parametrize("encoding", ["identity", "Identity", " identity , identity", ""])
async def test_batch_that_is_sent_as_it_is_may_say_so(wire: Wire, encoding: str) -> None:
    async with wire.batch({"content-encoding": encoding}) as stream:
        await stream.say(b"1\n", is_last=True)
        await stream.answer()

    assert wire.kept() == [b"1"]


async def test_bad_line_ends_the_stream_and_what_was_before_is_stored_and_confirmed(
    wire: Wire,
) -> None:
    async with wire.batch(NDJSON) as stream:
        await stream.say(line(b"1"))
        await stream.say(line(b"2") + b"{}\n" + line(b"4"))
        await stream.answer()

    assert stream.has_ended
    confirmed, more, last = stream.values
    assert (confirmed, more) == (published(1), published(2))
    assert (last["line"], last["error"].split(";")[0]) == (3, "msg is missing")
    assert wire.kept() == [b"1", b"2"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"hello\n", "the line is not JSON"),
        (b'{"msg":"***"}\n', "msg is not base64"),
        (b'{"msg":"eA==","priority":256}\n', "priority is not a whole number from 0 to 255"),
        (b'{"msg":"eA==","ttl":0}\n', "ttl is 0"),
        (b'{"msg":"eA==","delay":"10s","ttl":"5s"}\n', "a delay of 10 s outlasts the ttl of 5 s"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
async def test_line_that_cannot_be_is_named_among_many(wire: Wire, bad: bytes, words: str) -> None:
    good = [line(b"%d" % number) for number in range(100)]
    async with wire.batch(NDJSON) as stream:
        await stream.say(b"".join([*good[:60], b"\n", bad, *good[60:]]), is_last=True)
        await stream.answer()

    assert stream.values[-2] == published(60)
    assert stream.values[-1]["line"] == 62, "blank lines count"
    assert words in stream.values[-1]["error"]
    assert len(wire.kept()) == 60


async def test_line_that_is_too_long_is_refused_before_it_ends() -> None:
    wire = Wire(limits=Limits(max_message_bytes=10))
    async with wire.batch() as stream:
        await stream.say(b"1\n2\n")
        await stream.say(b"x" * 11)
        await stream.answer()

    assert stream.values[0] == published(2)
    assert stream.values[-1]["line"] == 3
    assert "longer than 10 bytes" in stream.values[-1]["error"]
    assert wire.kept() == [b"1", b"2"]


@pytest.mark.parametrize("policy", [TopicPolicy(max_messages=7), TopicPolicy(max_bytes=7)])
async def test_as_many_are_stored_as_fit_into_the_topic(wire: Wire, policy: TopicPolicy) -> None:
    await wire.administration.set_policy("orders", policy)
    async with wire.batch() as stream:
        await stream.say(b"1\n2\n3\n")
        await stream.say(b"4\n5\n6\n7\n8\n9\n")
        await stream.answer()

    assert stream.values[-2] == published(7)
    assert stream.values[-1]["line"] == 8
    assert "topic 'orders' is full" in stream.values[-1]["error"]
    assert wire.kept() == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]


async def test_terms_of_the_request_are_those_of_its_lines(wire: Wire) -> None:
    await wire.publish(b"usual")
    async with wire.batch(query="?priority=9&delay=60s") as stream:
        await stream.say(b"1\n2\n", is_last=True)
        await stream.answer()

    assert wire.kept() == [b"usual"]
    await wire.tick_after(60)
    assert wire.kept() == [b"1", b"2", b"usual"]


async def test_lines_own_terms_come_before_those_of_the_request(wire: Wire) -> None:
    async with wire.batch(NDJSON, "?priority=5&ttl=10s") as stream:
        await stream.say(line(b"5") + line(b"9", priority=9, ttl=100), is_last=True)
        await stream.answer()

    assert wire.kept() == [b"9", b"5"]
    await wire.tick_after(10)
    assert wire.kept() == [b"9"]


async def test_line_may_ask_for_what_is_usual_where_its_request_asks_for_more(wire: Wire) -> None:
    async with wire.batch(NDJSON, "?priority=5&delay=60s") as stream:
        await stream.say(line(b"5", delay=0) + line(b"0", delay=0, priority=0), is_last=True)
        await stream.answer()

    assert wire.kept() == [b"5", b"0"]
    await wire.publish(b"3", priority=3)
    assert wire.kept() == [b"5", b"3", b"0"]


async def test_torn_line_of_a_body_shorter_than_declared_is_not_stored(wire: Wire) -> None:
    async with wire.batch({**TEXT, "content-length": "10"}) as stream:
        await stream.say(b"abc\nde", is_last=True)
        await stream.answer()

    assert stream.values == [
        published(1),
        {"error": "the body is 6 bytes long, and 10 were declared", "code": "body_cut_short"},
    ]
    assert wire.kept() == [b"abc"]
