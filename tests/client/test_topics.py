"""Topics by the client: what is in them, their policies, and what operators do."""

from typing import Any

import anyio
import pytest

from miniqueue_py.client import Client
from miniqueue_py.errors import BadRequest, Contradiction, TopicNotFound
from miniqueue_py.tls.paths import CertificatePaths
from tests.client import bad_servers
from tests.client.http2_server import Answer, Request, json_answer
from tests.client.waiting import publish_all, take, wait_counts

pytestmark = pytest.mark.anyio


async def test_a_topic_tells_what_is_in_it(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, b"1", b"22", b"333")
    async with queue.subscribe(topic, credit=1) as deliveries:
        await (await deliveries.receive()).ack()
        await deliveries.receive()
        told = await wait_counts(queue, topic, in_flight=1, acknowledged=1)

    assert (told.name, told.ready, told.delayed, told.bytes) == (topic, 1, 0, 5)
    assert (told.published, told.delivered, told.expired, told.dead_lettered) == (3, 2, 0, 0)
    assert (told.consumers, told.paused, told.dead_letter_topic) == (1, False, f"{topic}.dead")
    assert told.oldest_age_seconds is not None
    assert told.policy["dedupeWindow"] == 300


async def test_a_topic_that_is_not_there_is_named(queue: Client, topic: str) -> None:
    for ask in (queue.topic, queue.pause, queue.resume, queue.peek, queue.redrive):
        with pytest.raises(TopicNotFound, match=topic):
            await ask(topic)


async def test_topics_are_listed_by_name(queue: Client, topic: str) -> None:
    names = [f"{topic}-{letter}" for letter in "abc"]
    for name in reversed(names):
        await queue.set_policy(name, {})

    listed = [each.name async for each in queue.topics()]

    assert [name for name in listed if name in names] == names
    assert listed == sorted(listed)


async def test_all_pages_of_topics_are_listed(certificates: CertificatePaths) -> None:
    """However many there are; the name that a page ends with may be any name."""
    names = ["a", "b&c", "d=e", "größe", "z+ z"]

    def answer(request: Request) -> Answer | None:
        if not request.path.startswith("/topics?") or not request.is_complete:
            return bad_servers.as_a_broker(request)
        asked.append(request.path)
        name = names[len(asked) - 1]
        page: dict[str, object] = {"topics": [bad_servers.topic_page(name)]}
        return json_answer(200, page if name == names[-1] else page | {"next": name})

    asked: list[str] = []
    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            assert [each.name async for each in queue.topics()] == names

    after = [path.partition("after=")[2].partition("&")[0] for path in asked]
    assert after == ["", "a", "b%26c", "d%3De", "gr%C3%B6%C3%9Fe"]


async def test_a_policy_is_set_and_shown(queue: Client, topic: str) -> None:
    told = await queue.set_policy(topic, {"lease": 30, "maxDeliveries": 5})

    assert (told.policy["lease"], told.policy["maxDeliveries"]) == (30, 5)
    assert (await queue.topic(topic)).policy == told.policy
    # What was shown can be sent back.
    assert (await queue.set_policy(topic, told.policy)).policy == told.policy


async def test_a_policy_that_cannot_be_is_refused_in_words(queue: Client, topic: str) -> None:
    with pytest.raises(BadRequest, match="maxDeliverys"):
        await queue.set_policy(topic, {"maxDeliverys": 5})
    with pytest.raises(Contradiction, match="circle"):
        await queue.set_policy(topic, {"deadLetter": topic})


async def test_a_deleted_topic_is_gone(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, b"1", b"2")

    await queue.delete(topic)

    with pytest.raises(TopicNotFound):
        await queue.topic(topic)
    await queue.delete(topic)


async def test_a_purged_topic_is_empty_and_keeps_its_policy(queue: Client, topic: str) -> None:
    await queue.set_policy(topic, {"lease": 30})
    await publish_all(queue, topic, b"1", b"2")

    told = await queue.purge(topic)

    assert (told.ready, told.policy["lease"]) == (0, 30)
    assert await queue.peek(topic) == []
    with pytest.raises(TopicNotFound):
        await queue.purge(f"{topic} that never was")


async def test_a_paused_topic_hands_nothing_out(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1")
    assert (await queue.pause(topic)).paused
    async with queue.subscribe(topic) as deliveries:
        with anyio.move_on_after(0.1) as scope:
            await deliveries.receive()
        assert scope.cancelled_caught

        assert not (await queue.resume(topic)).paused
        with anyio.fail_after(5):
            assert (await deliveries.receive()).body == b"1"


async def test_peek_shows_and_takes_nothing(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"1", priority=2)
    receipt = await queue.publish(topic, "zwölf", priority=5)
    await queue.publish(topic, b"3")

    seen = await queue.peek(topic, 2)

    assert [(each.text, each.priority) for each in seen] == [("zwölf", 5), ("1", 2)]
    assert (seen[0].message_id, seen[0].attempt) == (receipt.message_id, 1)
    assert seen[0].topic == topic
    assert await take(queue, topic, 3) == ["zwölf".encode(), b"1", b"3"]


async def test_redriven_letters_come_again_as_if_new(queue: Client, topic: str) -> None:
    await publish_all(queue, topic, b"1", b"2", b"3")
    async with queue.subscribe(topic) as deliveries:
        for _ in range(3):
            await (await deliveries.receive()).dead()
    await wait_counts(queue, f"{topic}.dead", ready=3)

    assert await queue.redrive(f"{topic}.dead", 2) == 2
    assert await queue.redrive(f"{topic}.dead") == 1
    assert await queue.redrive(f"{topic}.dead") == 0

    async with queue.subscribe(topic) as deliveries:
        again = [await deliveries.receive() for _ in range(3)]
    assert [(each.body, each.attempt, each.origin) for each in again] == [
        (b"1", 1, None),
        (b"2", 1, None),
        (b"3", 1, None),
    ]


async def bury(queue: Client, topic: str, *bodies: bytes) -> dict[bytes, str]:
    """Make dead letters; return their ids."""
    await publish_all(queue, topic, *bodies)
    async with queue.subscribe(topic) as deliveries:
        for _ in bodies:
            await (await deliveries.receive()).dead()
    await wait_counts(queue, f"{topic}.dead", ready=len(bodies))
    return {each.body: each.message_id for each in await queue.peek(f"{topic}.dead", 1000)}


async def test_only_those_letters_are_redriven_that_are_asked_for(
    queue: Client, topic: str
) -> None:
    ids = await bury(queue, topic, b"1", b"2", b"3")
    dead = f"{topic}.dead"

    assert await queue.redrive(dead, reason="maxDeliveries") == 0
    assert await queue.redrive(dead, older_than=60) == 0
    assert await queue.redrive(dead, ids=[ids[b"2"], "9-9"], reason="DEAD", older_than=0) == 1

    assert [each.body for each in await queue.peek(topic)] == [b"2"]
    assert [each.body for each in await queue.peek(dead)] == [b"1", b"3"]


async def test_letter_that_died_twice_goes_home(queue: Client, topic: str) -> None:
    await bury(queue, topic, b"1")
    await queue.delete(f"{topic}.dead.dead")
    async with queue.subscribe(f"{topic}.dead") as deliveries:
        await (await deliveries.receive()).dead()
    await wait_counts(queue, f"{topic}.dead.dead", ready=1)

    [letter] = await queue.peek(f"{topic}.dead.dead")

    assert letter.origin is not None
    assert letter.origin.topic == f"{topic}.dead"
    assert letter.origin.first is not None
    assert letter.origin.first.topic == topic
    assert await queue.redrive(f"{topic}.dead.dead", to="first") == 1
    assert (await queue.topic(topic)).ready == 1


@pytest.mark.parametrize(
    "wanted",
    [
        {"ids": []},
        {"ids": "6-7"},
        {"ids": ["6"]},
        {"reason": "tired"},
        {"older_than": -1},
        {"older_than": "old"},
    ],
)
async def test_redrive_of_what_cannot_be_moves_nothing(
    queue: Client, topic: str, wanted: dict[str, Any]
) -> None:
    await bury(queue, topic, b"1")

    with pytest.raises(BadRequest):
        await queue.redrive(f"{topic}.dead", **wanted)

    assert (await queue.topic(f"{topic}.dead")).ready == 1


async def test_peek_shows_what_is_delayed_and_until_when(queue: Client, topic: str) -> None:
    await queue.publish(topic, b"later", delay=3600)

    [message] = await queue.peek(topic, state="delayed")

    assert message.published_at is not None
    assert message.due_at is not None
    assert 3599 < (message.due_at - message.published_at).total_seconds() < 3601
    assert await queue.peek(topic) == await queue.peek(topic, state="inFlight") == []
    with pytest.raises(BadRequest):
        await queue.peek(topic, state="late")
