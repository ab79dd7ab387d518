"""What a connection of HTTP/2 may ask for, and how much of it at once."""

from miniqueue_py.http2 import codec as http2

MAX_STREAMS = 10_000
"""Open at once on a connection. One more is refused, and the others go on; a peer that has
confirmed that it knows the bound breaks a rule then, and libnghttp2 ends the connection."""

CONNECTION_WINDOW_BYTES = 1 << 24
"""Of request bodies, that may come before they are granted."""

STREAM_WINDOW_BYTES = 1 << 18
"""Of one of them."""

SETTINGS = {
    http2.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    http2.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES,
    # A frame is what many clients write at a time. In frames of 16 KiB, which is the least,
    # a streamed publish costs a third more: each is a read, a batch and a confirm of its own.
    http2.MAX_FRAME_SIZE: STREAM_WINDOW_BYTES // 2,
    http2.MAX_HEADER_LIST_SIZE: 1 << 16,
}

CRAMMED_BYTES = 1 << 24
"""Unsent on one connection, past which none of its streams is given anything. Below it, one
with nothing queued is: consumers that do not read must not starve those beside them."""

CRUMB_BYTES = 8
"""A piece of a body that is shorter counts, unless it is the last: see buckets.py."""

KEEP_ALIVE = b"miniqueu"
