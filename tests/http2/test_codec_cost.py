"""What an exchange costs, in calls: the one figure that no machine changes."""

from types import FrameType

import pytest

from miniqueue_py.http2.choose import NewCodec
from miniqueue_py.http2.ngh2_codec import Ngh2Codec
from miniqueue_py.testing.codecs import ANSWER, REQUEST, Side, greeted
from tests.http2.test_every_codec import CODECS
from tests.profiling import profiled

MOST_OWN_CALLS = 12
"""Of an exchange, both ends: open, two sends, respond, and eight events; none of ours beside."""


def exchanges(client: Side, server: Side, count: int) -> None:
    """Have so many requests answered, all in one turn."""
    for _ in range(count):
        client.codec.send(client.codec.open(REQUEST), b"question", ends=True)
    server.codec.feed(client.codec.take(1 << 20))
    server.codec.dispatch(count + 1)
    for stream_id in server.begun()[-count:]:
        server.codec.respond(stream_id, ANSWER)
        server.codec.send(stream_id, b"answer", ends=True)
    client.codec.feed(server.codec.take(1 << 20))
    client.codec.dispatch(1)


def calls_of(client: Side, server: Side, count: int, *, kinds: frozenset[str]) -> int:
    calls = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in kinds

    with profiled(note):
        exchanges(client, server, count)
    return calls


def pair(new: NewCodec) -> tuple[Side, Side]:
    client, server = greeted(Side(new, is_client=True), Side(new, is_client=False))
    client.grants = server.grants = False
    exchanges(client, server, 10)
    return client, server


def test_an_exchange_costs_few_calls_of_ours() -> None:
    client, server = pair(Ngh2Codec)
    calls = calls_of(client, server, 100, kinds=frozenset({"call"}))
    assert calls / 100 < MOST_OWN_CALLS


@pytest.mark.parametrize("name", CODECS)
def test_an_exchange_costs_the_same_among_many_open_streams(name: str) -> None:
    client, server = pair(CODECS[name])
    kinds = frozenset({"call", "c_call"})
    alone = calls_of(client, server, 50, kinds=kinds)
    for _ in range(3_000):
        client.codec.open(REQUEST)
    server.codec.feed(client.codec.take(1 << 20))
    server.codec.dispatch(1 << 20)
    exchanges(client, server, 50)
    assert calls_of(client, server, 50, kinds=kinds) < 1.3 * alone
