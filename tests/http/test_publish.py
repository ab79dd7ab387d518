"""What a publish asks for by query and header, and what it is told."""

import json

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.policy import TopicPolicy
from tests.http.exchanges import Exchange, request
from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio


@pytest.fixture
def wire() -> Wire:
    return Wire()


async def publish(wire: Wire, query: str = "", body: bytes = b"x", **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await request(wire.door, "POST", f"/publish/orders{query}", body, headers=named)


async def test_answer_tells_the_id_that_the_delivery_will_tell(wire: Wire) -> None:
    first = await publish(wire)
    second = await publish(wire)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 2"')

    told = [each.headers["miniqueue-message-id"] for each in (first, second)]
    assert [each.status for each in (first, second)] == [201, 201]
    assert told == ["1-1", "1-2"] == [value["messageId"] for value in stream.values]
    assert "miniqueue-duplicate" not in first.headers


async def test_second_publish_of_a_key_is_no_error_and_stores_nothing(wire: Wire) -> None:
    first = await publish(wire, body=b"1", idempotency_key="schlüssel 1")
    again = await publish(wire, body=b"1", idempotency_key="schlüssel 1")

    assert (first.status, again.status, again.body) == (201, 200, b"")
    assert again.headers["miniqueue-duplicate"] == "true"
    assert again.headers["miniqueue-message-id"] == first.headers["miniqueue-message-id"]
    assert wire.kept() == [b"1"]


async def test_deleted_topic_has_forgotten_its_keys(wire: Wire) -> None:
    await publish(wire, idempotency_key="k")
    await wire.broker.delete("orders")

    assert (await publish(wire, idempotency_key="k")).status == 201


async def test_query_says_when_how_urgent_and_for_how_long(wire: Wire) -> None:
    await publish(wire, body=b"usual")
    await publish(wire, "?priority=255", b"urgent")
    await publish(wire, "?delay=30s&priority=1", b"later")
    await publish(wire, "?ttl=1m", b"mortal")

    assert wire.kept() == [b"urgent", b"usual", b"mortal"]
    await wire.tick_after(30)
    assert wire.kept() == [b"urgent", b"later", b"usual", b"mortal"]
    await wire.tick_after(30)
    assert wire.kept() == [b"urgent", b"later", b"usual"]


async def test_query_that_nobody_knows_is_ignored(wire: Wire) -> None:
    answer = await publish(wire, "?foo=1&foo=2&%FF")

    assert answer.status == 201


@pytest.mark.parametrize(
    "query",
    [
        "?priority=256",
        "?priority=-1",
        "?priority=x",
        "?delay=-1s",
        "?delay=5x",
        "?ttl=0",
        "?ttl=",
        "?delay=1s&delay=2s",
    ],
)
async def test_terms_that_cannot_be_are_refused_by_name(wire: Wire, query: str) -> None:
    answer = await publish(wire, query)

    assert answer.status == 400
    name = query[1:].partition("=")[0]
    assert json.loads(answer.body)["error"].startswith(f"{name} is ")
    assert not wire.storage.knows("orders")


@pytest.mark.parametrize("key", ["", "k" * 257])
async def test_key_that_cannot_be_is_refused(wire: Wire, key: str) -> None:
    answer = await publish(wire, idempotency_key=key)

    assert answer.status == 400
    assert json.loads(answer.body)["error"].startswith("Idempotency-Key is ")


async def test_key_of_another_message_is_refused_and_its_neighbours_are_not(wire: Wire) -> None:
    await publish(wire, body=b"1", idempotency_key="k")
    begun = [
        Exchange(wire.door, "POST", "/publish/orders", headers={"idempotency-key": key})
        for key in ("k", "new", "k")
    ]
    for body, exchange in zip((b"2", b"2", b"1"), begun, strict=True):
        exchange.say_nowait(body, is_last=True)
    for exchange in begun:
        await exchange.answer()

    assert [each.status for each in begun] == [422, 201, 200]
    assert "'k' was used for another message" in json.loads(begun[0].body)["error"]
    assert wire.kept() == [b"1", b"2"]


async def test_key_in_quotes_is_the_same_key(wire: Wire) -> None:
    first = await publish(wire, idempotency_key='order "17" \\')
    again = await publish(wire, idempotency_key='"order \\"17\\" \\\\"')
    other = await publish(wire, idempotency_key='"order')

    assert [each.status for each in (first, again, other)] == [201, 200, 201]


async def test_terms_that_contradict_each_other_are_refused(wire: Wire) -> None:
    answer = await publish(wire, "?delay=10s&ttl=10s")

    assert answer.status == 409
    assert "a delay of 10 s outlasts the ttl of 10 s" in json.loads(answer.body)["error"]


async def test_topic_that_is_full_says_so_and_when_to_come_again(wire: Wire) -> None:
    await wire.administration.set_policy("orders", TopicPolicy(max_messages=1))
    await publish(wire)

    answer = await publish(wire)

    assert answer.status == 429
    assert answer.headers["retry-after"] == "1"
    assert "topic 'orders' is full: maxMessages is 1" in json.loads(answer.body)["error"]


async def test_upload_that_is_not_whole_is_answered_by_a_broker_that_drains(wire: Wire) -> None:
    async with Exchange(wire.door, "POST", "/publish/orders") as upload:
        await upload.say(b"half")

        wire.broker.drain()
        wire.streams.abandon_uploads()

        assert upload.status == 503
        assert upload.headers["retry-after"] == "1"
    assert not wire.storage.knows("orders")


async def test_upload_is_forgotten_when_it_is_whole_refused_or_gone(wire: Wire) -> None:
    async with Exchange(wire.door, "POST", "/publish/orders") as upload:
        await upload.say(b"half")
        assert repr(wire.streams) == "<Streams, 1 uploads>"
    assert repr(wire.streams) == "<Streams, 0 uploads>"

    await publish(wire)
    await publish(wire, content_length="9")
    async with wire.batch() as stream:
        await stream.say(b"half")
        assert repr(wire.streams) == "<Streams, 1 uploads>"

    assert repr(wire.streams) == "<Streams, 0 uploads>"


async def test_what_came_of_a_message_that_is_too_long_is_granted() -> None:
    wire = Wire(limits=Limits(max_message_bytes=10))
    async with Exchange(wire.door, "POST", "/publish/orders") as upload:
        await upload.say(b"x" * 6)
        await upload.say(b"x" * 6)

        assert upload.status == 413
        assert not upload.ungranted, "it would be missing from the window of the connection"


async def test_topic_may_be_called_batch(wire: Wire) -> None:
    answer = await request(wire.door, "POST", "/publish/batch", b"1\n2\n")

    assert answer.status == 201
    assert wire.kept("batch") == [b"1\n2\n"]
