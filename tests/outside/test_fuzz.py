"""Nonsense on every layer: it may cost its own stream or connection, and nothing else.

Each test has a bystander that must go on working. Whatever a connection held
comes back when it has gone. The log tells of no error, and is all JSON.
"""

import json
import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.outside.bystander import Bystander
from tests.outside.frames import LAST_PING, has_last_pong
from tests.outside.nonsense import CUTS, FRAMES, HTTP1, SUBSCRIBE_BODIES, TLS, pieces
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
"""For a long search, which tries other examples each time."""

fuzz = settings(
    max_examples=int(EXAMPLES or 150),
    deadline=None,
    derandomize=EXAMPLES is None,
    database=None,
    print_blob=True,
    # An example is short, and one that fails may take as long as patience lasts.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

PLAIN = {"msg", "dackCount"}
WITH_CREDIT = PLAIN | {"id", "attempt", "messageId", "publishedAt"}
OTHERS = ({"error"}, {"closing"})


@fuzz
@given(body=SUBSCRIBE_BODIES, cuts=CUTS)
async def test_whatever_a_subscription_is_told_it_answers_in_json_and_ends_alone(
    bystander: Bystander, body: bytes, cuts: list[int]
) -> None:
    topic = await bystander.new_topic(b"1", b"2")
    stream = await bystander.connection.stream("POST", f"/subscribe/{topic}")
    assert await stream.status() == 200

    for piece in pieces(body, cuts):
        await stream.send(piece)
    stream.end()

    for line in (await stream.read_until_end()).splitlines():
        keys = json.loads(line).keys()
        assert keys | {"dackCount"} in (PLAIN, WITH_CREDIT) or keys in OTHERS, line
    assert stream.is_complete
    await bystander.expect_served()


@fuzz
@given(more=st.lists(FRAMES, min_size=1, max_size=8).map(b"".join), cuts=CUTS)
async def test_whatever_frames_come_the_connection_answers_or_ends_alone(
    broker: RunningBroker, bystander: Bystander, more: bytes, cuts: list[int]
) -> None:
    with RawConnection(broker.port, broker.ca) as raw:
        topic = await bystander.have_held(raw)

        raw.send(*pieces(more, cuts), LAST_PING)

        # All frames were whole, so an answer to the last one is due.
        raw.read_until(has_last_pong)
        raw.hang_up()
    await bystander.expect_given_back(topic)
    await bystander.expect_served()


@fuzz
@given(
    more=st.lists(FRAMES, max_size=3).map(b"".join),
    garbage=st.binary(min_size=1, max_size=200),
    cuts=CUTS,
)
async def test_whatever_bytes_come_after_the_handshake_the_connection_ends_alone(
    broker: RunningBroker, bystander: Bystander, more: bytes, garbage: bytes, cuts: list[int]
) -> None:
    with RawConnection(broker.port, broker.ca) as raw:
        topic = await bystander.have_held(raw)

        raw.send(*pieces(more + garbage, cuts))

        raw.hang_up()
    await bystander.expect_given_back(topic)
    await bystander.expect_served()


@fuzz
@given(protocols=st.sampled_from([("h2",), ("http/1.1",), ()]), said=HTTP1, cuts=CUTS)
async def test_whatever_comes_instead_of_http_the_connection_ends_alone(
    broker: RunningBroker,
    bystander: Bystander,
    protocols: tuple[str, ...],
    said: bytes,
    cuts: list[int],
) -> None:
    with RawConnection(broker.port, broker.ca, protocols) as raw:
        raw.send(*pieces(said, cuts))

        raw.hang_up()
    await bystander.expect_served()


@fuzz
@given(said=TLS, cuts=CUTS)
async def test_whatever_comes_instead_of_tls_the_connection_ends_alone(
    broker: RunningBroker, bystander: Bystander, said: bytes, cuts: list[int]
) -> None:
    with RawConnection(broker.port, None) as raw:
        raw.send(*pieces(said, cuts))

        raw.hang_up()
    await bystander.expect_served()
