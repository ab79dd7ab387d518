"""The table of limits in docs/operating.md is what the code has."""

import re
from pathlib import Path

from miniqueue_py.config.settings import load_settings
from miniqueue_py.descriptors import KEPT_DESCRIPTORS
from miniqueue_py.http.servers import (
    http1_limits,
    http2_connection,
    http2_exchange,
    http2_limits,
    http2_watch,
    hypercorn,
    kept_bodies,
    lingering,
    page_queue,
)
from miniqueue_py.http.servers.buckets import RATES
from miniqueue_py.http.servers.connections import (
    LIMITS,
    MOST_KEPT_BYTES,
    MOST_UNSENT_BYTES,
    ConnectionLimits,
)
from miniqueue_py.http2 import codec, limits

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operating.md"
ROW = re.compile(r"^\| (.+?) \| (.+?) \| (.*?) ?\| (.*?) ?\|$", re.MULTILINE)


def rows() -> dict[str, tuple[str, str, str]]:
    """Return what is bounded, with what it is at most, its flag and its label."""
    section = PAGE.read_text().split("## Limits of connections")[1].split("\n## ")[0]
    return {what: (most, flag, label) for what, most, flag, label in ROW.findall(section)[1:]}


def size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def rate(kind: str) -> str:
    burst, a_second = RATES[kind]
    return f"{burst:,} at once, {a_second:,} a second"


def test_the_table_has_the_limits_of_the_code() -> None:
    defaults = ConnectionLimits()
    settings = http2_limits.SETTINGS
    windows = (settings[codec.INITIAL_WINDOW_SIZE], http2_limits.CONNECTION_WINDOW_BYTES)
    expected = {
        "connections of all ports, with those in their handshake; more wait until one ends": (
            f"less {KEPT_DESCRIPTORS:,} for the store"
        ),
        "descriptors of the process or the machine; connections wait until one is free": "system",
        "a TLS handshake": f"{hypercorn.HANDSHAKE_SECONDS:g} s",
        "silence behind it": f"{hypercorn.FIRST_BYTE_SECONDS:g} s",
        "the first SETTINGS of HTTP/2, with its preface": (
            f"{http2_watch.FIRST_SETTINGS_SECONDS:g} s"
        ),
        "a connection on which nothing is asked": f"{defaults.idle_seconds:g} s",
        "silence until a PING; as long again until it is answered (HTTP/2)": (
            f"{load_settings([], {}).keepalive_seconds:g} s"
        ),
        "a client that takes nothing of much that it asked for": (
            f"{http2_watch.OVERDUE_SECONDS:g} s"
        ),
        "an upload of which nothing comes": f"{http1_limits.BODY_SECONDS:g} s by HTTP/1.1",
        "an upload while uploads wait for memory": size(http2_exchange.LEAST_PROGRESS_BYTES),
        "bodies that are not whole, of a connection": (
            f"{size(kept_bodies.CONNECTION_KEPT_BYTES)}, then it waits; "
            f"{size(kept_bodies.CONNECTION_MOST_KEPT_BYTES)}, then `503`"
        ),
        "bodies that are not whole, of all": (
            f"{size(MOST_KEPT_BYTES)}, then they wait; "
            f"{size(kept_bodies.MOST_KEPT_IN_ALL_BYTES)}, then `503`"
        ),
        "answers that a connection has not taken": (
            f"{size(page_queue.CONNECTION_UNSENT_BYTES)}, then no further page is made; "
            f"{size(http2_limits.CRAMMED_BYTES)}, then"
        ),
        "answers that all have not taken": size(MOST_UNSENT_BYTES),
        "pages made at once for a connection": f"{page_queue.MOST_PAGES}",
        "what comes of a client that takes nothing": size(http2_connection.MOST_HEARD_BYTES),
        "what comes behind an answer": (
            f"{size(lingering.MOST_DROPPED_BYTES)}, {lingering.LINGER_SECONDS:g} s"
        ),
        "streams of a connection": f"{settings[codec.MAX_CONCURRENT_STREAMS]:,}",
        "windows of a request, and of a connection": ", ".join(map(size, windows)),
        "a frame of HTTP/2": size(settings[codec.MAX_FRAME_SIZE]),
        "header fields of a request": f"{limits.MOST_HEADER_FIELDS}",
        "bytes of its header list": size(limits.MOST_HEADER_BYTES),
        "CONTINUATION frames": f"{limits.MOST_CONTINUATIONS}",
        "entries of a SETTINGS frame": f"{limits.MOST_SETTINGS}",
        "PING": rate("pings"),
        "SETTINGS": rate("settings"),
        "WINDOW_UPDATE": rate("windows"),
        "streams that are reset, by either side": rate("resets"),
        f"DATA of less than {http2_limits.CRUMB_BYTES} bytes": rate("crumbs"),
        "parsed of a connection before others have their turn": (
            f"{size(http2_connection.TURN_BYTES)}, {http2_connection.BEGUN_A_TURN} requests"
        ),
        "the head of a request of HTTP/1.1": (
            f"{size(http1_limits.MOST_HEAD_BYTES)}, {http1_limits.MOST_FIELDS} fields"
        ),
        "its head, from its first byte to its last": f"{http1_limits.HEAD_SECONDS:g} s",
    }
    table = rows()

    assert {what: most for what, most in expected.items() if most not in table[what][0]} == {}
    assert set(table) - set(expected) == {"connections of one address"}
    assert defaults.connections_per_address == 0


def test_each_limit_that_is_counted_is_in_the_table() -> None:
    assert {label.strip("`") for _, _, label in rows().values() if label} == set(LIMITS)
    assert set(RATES) <= set(LIMITS)


def test_the_buckets_strike_before_what_the_codec_keeps_by_itself() -> None:
    """They say what struck, and it only that something did."""
    parsed = http2_connection.TURN_BYTES
    pings, resets = parsed // 17, parsed // (9 + 13)

    assert RATES["pings"][0] + pings < limits.MOST_QUEUED_ACKS
    assert RATES["resets"][0] + resets < min(limits.RESETS[0], limits.GLITCHES[0])
