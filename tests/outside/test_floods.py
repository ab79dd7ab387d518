"""A flood of frames costs its own connection at most, and little memory."""

import pytest

from tests.outside import frames
from tests.outside.bystander import Bystander
from tests.outside.frames import END_HEADERS, frame, header_block, number, request
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

MORE_THAN_A_FLOOD_MAY_COST = 50 << 20

BEGUN_HEADERS = request(3, b"/publish/fuzz", flags=0)
IN_THE_TABLE, FROM_THE_TABLE = b"\x40\x01x\x7f\x81\x1e" + b"y" * 4000, b"\xbe"

FLOODS = {
    "PING": frame(frames.PING, 0, 0, b"12345678") * 5000,
    "SETTINGS": frame(frames.SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff") * 3000,
    "SETTINGS acknowledged": frame(frames.SETTINGS, frames.ACK, 0) * 3000,
    "PRIORITY": b"".join(
        frame(frames.PRIORITY, 0, stream_id, number(0) + b"\1") for stream_id in range(5, 10_005, 2)
    ),
    "WINDOW_UPDATE": frame(frames.WINDOW_UPDATE, 0, 0, number(1)) * 5000,
    "empty DATA": frame(frames.DATA, 0, 1) * 5000,
    "empty CONTINUATION": BEGUN_HEADERS + frame(frames.CONTINUATION, 0, 3) * 5000,
    "CONTINUATION": BEGUN_HEADERS
    + frame(frames.CONTINUATION, 0, 3, header_block([(b"x", b"y" * 16_000)])) * 200,
    "headers that decode to much": BEGUN_HEADERS
    + frame(frames.CONTINUATION, END_HEADERS, 3, IN_THE_TABLE + FROM_THE_TABLE * 10_000),
    "streams that are reset": b"".join(
        request(stream_id, b"/subscribe/fuzz") + frame(frames.RST_STREAM, 0, stream_id, number(8))
        for stream_id in range(3, 4003, 2)
    ),
    "an oversized frame": b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 100_000,
    "unknown frames": frame(0x77, 0, 0, b"x" * 1000) * 2000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_of_frames_costs_its_connection_at_most(
    broker: RunningBroker, bystander: Bystander, flood: bytes
) -> None:
    before = broker.rss_bytes()
    with RawConnection(broker.port, broker.ca) as raw:
        topic = await bystander.have_held(raw)

        raw.send(flood)

        raw.hang_up()
    await bystander.expect_given_back(topic)
    await bystander.expect_served()
    assert broker.rss_bytes() - before < MORE_THAN_A_FLOOD_MAY_COST
