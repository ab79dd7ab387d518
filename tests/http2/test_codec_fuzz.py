"""Whatever comes, a codec breaks or goes on: it raises nothing, and a broken one tells nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniqueue_py.testing.codecs import (
    ANSWER,
    PING,
    PREFACE,
    REQUEST,
    SETTINGS,
    Side,
    data,
    frame,
    goaway,
    goaway_code,
    head,
    reset,
    window_update,
)
from tests.http2.test_every_codec import CODECS

STREAMS = st.sampled_from([0, 1, 2, 3, 5, 7, (1 << 31) - 1])
LAWFUL = st.one_of(
    st.builds(head, STREAMS, ends=st.booleans()),
    st.builds(data, STREAMS, st.binary(max_size=50), ends=st.booleans()),
    st.builds(reset, STREAMS),
    st.builds(window_update, STREAMS, st.sampled_from([0, 1, 1 << 16, (1 << 31) - 1])),
    st.builds(goaway, STREAMS),
    st.just(PING),
    st.just(SETTINGS),
    st.builds(frame, st.integers(0, 12), st.integers(0, 255), STREAMS, st.binary(max_size=30)),
)


@pytest.mark.parametrize("is_client", [False, True], ids=["server", "client"])
@pytest.mark.parametrize("name", CODECS)
@given(pieces=st.lists(LAWFUL | st.binary(max_size=20), max_size=12), most=st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_anything_may_come(name: str, is_client: bool, pieces: list[bytes], most: int) -> None:
    side = Side(CODECS[name], is_client=is_client)
    if is_client:
        side.codec.open(REQUEST)
    side.hear(SETTINGS if is_client else PREFACE + SETTINGS)
    for piece in pieces:
        side.codec.feed(piece)
        side.codec.dispatch(most)
        for stream_id in side.begun()[-2:]:
            if not is_client:
                side.codec.respond(stream_id, ANSWER)
            side.codec.send(stream_id, b"body", ends=True)
        said = side.say()
        if side.codec.is_broken:
            if said and not any(each[0] == "goaway" for each in side.told):
                goaway_code(said[24:] if said.startswith(b"PRI") else said)
            assert not side.codec.dispatch(most)
            break
