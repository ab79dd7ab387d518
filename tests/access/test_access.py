"""Who is told apart, and what becomes of it when rights change."""

from asyncio import create_task, to_thread
from pathlib import Path

import pytest

from miniqueue_py.http.access.rights import RIGHTS
from miniqueue_py.http.access.token_file import BadTokenFile
from miniqueue_py.http.access.token_source import TokenSource
from tests.access.gate import Gate
from tests.dialects.caller import Caller
from tests.http.exchanges import settle

pytestmark = pytest.mark.anyio

TEXT = {"content-type": "text/plain"}


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


async def test_what_is_missing_is_told(gate: Gate) -> None:
    secret = await gate.admit("ci", {"publish": ("orders",)})

    nobody = await gate.ask("POST", "/publish/orders", None)
    unknown = await gate.ask("POST", "/publish/orders", "mq_wrong")
    lacking = await gate.ask("POST", "/publish/emails", secret)

    assert nobody.status == unknown.status == 401
    assert nobody.headers["www-authenticate"] == 'Bearer realm="miniqueue"'
    assert unknown.headers["www-authenticate"].endswith(', error="invalid_token"')
    assert lacking.status == 403
    assert lacking.values == [
        {
            "error": "ci lacks the right publish on topic 'emails'",
            "right": "publish",
            "topic": "emails",
        }
    ]
    assert lacking.headers["www-authenticate"].endswith('scope="publish"')


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_scheme_has_no_case(gate: Gate, scheme: str) -> None:
    secret = await gate.admit("ci")
    for _ in range(2):
        exchange = gate.begin(
            "POST", "/publish/a", None, headers={"authorization": f"{scheme} {secret}"}
        )
        await exchange.say(b"x", is_last=True)
        assert exchange.status == 201


@pytest.mark.parametrize(
    "header", ["Basic {}", "{}", "Bearer", "Bearer {} {}", "Bearer " + "x" * 99999]
)
async def test_what_is_no_bearer_token_is_refused(gate: Gate, header: str) -> None:
    secret = await gate.admit("ci")
    told = {"authorization": header.format(secret, secret)}
    exchange = gate.begin("POST", "/publish/a", None, headers=told)

    assert exchange.status == 401


async def test_a_token_ends_at_its_instant(gate: Gate) -> None:
    secret = await gate.admit("ci", expires_at=gate.clock.now() + 10)
    assert (await gate.ask("POST", "/publish/a", secret)).status == 201
    async with gate.begin("POST", "/subscribe/a", secret) as stream:
        await gate.clock.advance(10)
        told = await gate.ask("POST", "/publish/a", secret)
        await gate.access.look()

        assert told.status == 401
        assert b"the token ci is expired" in told.body
        assert stream.values == [{"closing": "forbidden"}]
    await gate.access.look()
    assert not gate.access._accounts


async def test_a_subscription_ends_when_its_right_is_taken_away_and_gives_back(gate: Gate) -> None:
    secret, other = await gate.admit("ci"), await gate.admit("other")
    await gate.publish("orders", b"one")
    async with (
        gate.begin("POST", "/subscribe/orders", secret) as stream,
        gate.begin("POST", "/subscribe/orders", other) as lawful,
    ):
        await stream.say(b'"INIT"')
        await lawful.say(b'"INIT"')
        await gate.revoke("ci")
        await settle()

        assert stream.values[-1] == {"closing": "forbidden"}
        assert stream.is_over
        assert lawful.values[-1]["msg"] == "b25l"
        assert not lawful.is_over
    assert gate.lines("access.streams_ended") == [{"who": "ci", "streams": 1}]


async def test_a_batch_says_what_is_stored_before_it_is_ended(gate: Gate) -> None:
    secret = await gate.admit("ci")
    stream = gate.begin("POST", "/publish/orders/batch", secret, headers=TEXT)
    async with stream:
        await stream.say(b"one\ntwo\nhal")
        await gate.revoke("ci")
        await settle()
        await stream.say(b"f\n")

        assert stream.is_over
        assert stream.values == [{"published": 2}, {"closing": "forbidden"}]
    assert gate.storage.statistics("orders").ready == 2


async def test_a_request_that_waits_is_refused_and_takes_nothing(gate: Gate) -> None:
    secret = await gate.admit("ci")
    await gate.publish("orders", b"one")
    await gate.ask("POST", "/receive/orders", secret)  # the one that there is
    waits = gate.begin("POST", "/receive/orders?wait=30s", secret)
    await waits.say(b"", is_last=True)
    dequeue = gate.begin("GET", "/zoldyq/queues/orders/dequeue?timeout=30", secret)
    await dequeue.say(b"", is_last=True)
    assert not waits.is_begun
    assert not dequeue.is_begun

    await gate.revoke("ci")
    await gate.publish("orders", b"two")
    await settle()

    assert waits.status == dequeue.status == 403
    assert gate.storage.statistics("orders").ready == 1


async def test_a_websocket_is_closed(gate: Gate) -> None:
    secret = await gate.admit("ci")
    headers = [(b"authorization", b"Bearer " + secret.encode())]
    sockets = gate.sockets
    async with Caller(sockets, "/queues/orders/dequeue", headers=headers) as caller:
        await gate.revoke("ci")
        await settle()

        assert caller.code == 1008


async def test_streams_go_on_whose_right_stays(gate: Gate) -> None:
    secret = await gate.admit("ci")
    async with gate.begin("POST", "/subscribe/orders", secret) as stream:
        text = gate.path.read_text()
        for change in ("# a comment\n" + text, text.replace("publish=*", "publish=x rate=7")):
            gate.path.write_text(change)
            await gate.access.look()
            assert not stream.is_over

        gate.path.write_text(text.replace("consume=*", "consume=other"))
        await gate.access.look()

        assert stream.values == [{"closing": "forbidden"}]
    assert len(gate.lines("access.reloaded")) == 4


async def test_another_secret_of_the_same_name_is_another_token(gate: Gate) -> None:
    old = await gate.admit("ci")
    async with gate.begin("POST", "/subscribe/orders", old) as stream:
        await gate.revoke("ci")
        new = await gate.admit("ci")

        assert stream.is_over
    assert (await gate.ask("POST", "/publish/a", old)).status == 401
    assert (await gate.ask("POST", "/publish/a", new)).status == 201


async def test_a_broken_file_leaves_the_old_one_in_force(gate: Gate) -> None:
    secret = await gate.admit("ci")
    good = gate.path.read_text()
    gate.path.write_text(good + "what is this\n")
    for _ in range(3):
        await gate.access.look()

    assert (await gate.ask("POST", "/publish/a", secret)).status == 201
    [told] = gate.lines("access.not_reloaded")
    assert str(told["problem"]).startswith(f"{gate.path}:2: has a word")
    gate.path.unlink()
    await gate.access.look()
    assert (await gate.ask("POST", "/publish/a", secret)).status == 201
    assert gate.audit.reloads == {"done": 1, "failed": 2}


async def test_a_broken_file_at_the_start_is_told_by_its_line(gate: Gate) -> None:
    gate.path.write_text("# fine\nwhat\n")

    with pytest.raises(BadTokenFile, match=r"tokens:2: has no sha256="):
        TokenSource(gate.path, gate.audit)


async def test_a_signal_has_the_file_read_though_it_looks_the_same(gate: Gate) -> None:
    gate.access.want_reload()
    await gate.access.look()
    await gate.access.look()

    assert gate.audit.reloads["done"] == 1


async def test_a_right_that_is_taken_away_ends_streams_within_a_second(gate: Gate) -> None:
    secret = await gate.admit("ci")
    looking = create_task(gate.access.run())
    async with gate.begin("POST", "/subscribe/orders", secret) as stream:
        gate.path.write_text("")
        await gate.clock.advance(0.9)
        for _ in range(100):  # a thread reads the file
            await to_thread(int)
            await settle()

        assert stream.values == [{"closing": "forbidden"}]
    looking.cancel()


async def test_a_fault_while_it_looks_does_not_end_the_looking(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await gate.admit("ci")
    real, looks = gate.source.look, iter([MemoryError("no room"), None, None, None, None])

    async def look() -> bool:
        fault = next(looks)
        if fault is not None:
            raise fault
        return await real()

    monkeypatch.setattr(gate.source, "look", look)
    looking = create_task(gate.access.run())
    async with gate.begin("POST", "/subscribe/orders", secret) as stream:
        gate.path.write_text("")
        await gate.clock.advance(0.9)
        for _ in range(100):  # a thread reads the file
            await to_thread(int)
            await settle()

        assert stream.is_over
    assert gate.lines("access.not_reloaded")[0]["problem"] == "MemoryError('no room')"
    looking.cancel()


async def test_requests_a_second_are_bounded(gate: Gate) -> None:
    secret = await gate.admit("ci", requests_per_second=2.0)
    asked = [await gate.ask("POST", "/publish/a", secret) for _ in range(3)]
    await gate.clock.advance(0.5)
    asked += [await gate.ask("GET", "/zapq/health", secret)]
    asked += [await gate.ask("POST", "/zapq/enqueue", secret) for _ in range(2)]

    assert [each.status for each in asked] == [201, 201, 429, 200, 202, 429]
    refused = asked[2]
    assert refused.headers["ratelimit-policy"] == '"token";q=2;w=1'
    assert refused.headers["ratelimit"] == '"token";r=0;t=1'
    assert refused.headers["retry-after"] == "1"
    assert gate.audit.refused["rate"] == 2


async def test_streams_of_a_token_are_bounded(gate: Gate) -> None:
    secret = await gate.admit("ci", streams=2)
    async with (
        gate.begin("POST", "/subscribe/orders", secret) as first,
        gate.begin("POST", "/receive/orders?wait=9s", secret) as second,
    ):
        await second.say(b"", is_last=True)
        refused = gate.begin("POST", "/publish/a/batch", secret, headers=TEXT)
        waits = gate.begin("GET", "/zoldyq/queues/a/dequeue?timeout=9", secret)
        assert refused.status == 429
        assert (await gate.ask("POST", "/publish/a", secret)).status == 201
        again = gate.begin("GET", "/zoldyq/queues/a/dequeue?timeout=0", secret)
        await settle()
        assert waits.status == 404
        assert again.status == 200
        await first.leave()
        third = gate.begin("POST", "/subscribe/orders", secret)
        assert third.status == 200
        await third.leave()
    assert gate.audit.refused["streams"] == 1


async def test_lists_show_what_may_be_seen_and_no_more(gate: Gate) -> None:
    names = [f"a{i:04}" for i in range(2500)]
    for name in (*names, "b1", "b1.dead", "c"):
        await gate.publish(name, b"x")
    secret = await gate.admit("ci", {"inspect": ("b*", "a0001", "a2400")})

    whole = (await gate.ask("GET", "/topics", secret)).values[0]
    page = (await gate.ask("GET", "/topics?max=2", secret)).values[0]
    rest = (await gate.ask("GET", "/topics?max=2&after=a2400", secret)).values[0]
    queues = (await gate.ask("GET", "/zoldyq/health", secret)).values[0]["queues"]

    assert [each["name"] for each in whole["topics"]] == ["a0001", "a2400", "b1", "b1.dead"]
    assert "next" not in whole
    assert [each["name"] for each in page["topics"]] == ["a0001", "a2400"]
    assert page["next"] == "a2400"
    assert [each["name"] for each in rest["topics"]] == ["b1", "b1.dead"]
    assert "next" not in rest
    assert list(queues) == ["a0001", "a2400", "b1", "b1.dead"]


async def test_messages_go_nowhere_that_their_ruler_may_not_publish_to(gate: Gate) -> None:
    secret = await gate.admit("ci", {"admin": ("a", "b"), "publish": ("b",)})
    await gate.publish("secret", b"x")

    told = [
        await gate.ask("PUT", "/topics/a", secret, {"deadLetter": "secret"}),
        await gate.ask("PUT", "/topics/a", secret, {"deadLetter": "b"}),
        await gate.ask("POST", "/topics/a/redrive?to=secret", secret),
        await gate.ask("POST", "/topics/b/redrive?to=nowhere", secret),
        await gate.ask("POST", "/coramq/queues", secret, {"queueName": "secret"}),
    ]

    assert [each.status for each in told] == [403, 200, 403, 403, 403]
    assert told[2].values[0]["topic"] == "secret"


async def test_a_probe_needs_no_token_and_learns_no_name(gate: Gate) -> None:
    assert (await gate.ask("GET", "/healthz", None)).status == 200
    assert (await gate.ask("GET", "/readyz", None)).body == b"ok\n"
    gate.broker.drain()
    told = await gate.ask("GET", "/readyz", None)
    assert told.values == [{"error": "the broker is not ready; its log tells why"}]


async def test_one_right_gives_no_other(gate: Gate) -> None:
    for right in RIGHTS:
        secret = await gate.admit(right, {right: ("a",)})
        told = {
            "publish": await gate.ask("POST", "/publish/a", secret),
            "consume": await gate.ask("POST", "/receive/a", secret),
            "inspect": await gate.ask("GET", "/topics/a/peek", secret),
            "admin": await gate.ask("POST", "/topics/a/purge", secret),
        }
        assert {name for name, each in told.items() if each.status != 403} == {right}
