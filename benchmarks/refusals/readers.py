"""Everybody who is to read a refusal."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.refusals.cases import Refusal
from benchmarks.refusals.libraries import by_httpx, by_requests, by_urllib3
from benchmarks.refusals.programs import (
    Ask,
    by_curl,
    by_h2load,
    by_nghttp,
    by_node,
    by_wrk,
    is_installed,
)

SMALL = 1000


class Reader(NamedTuple):
    """A client by its name, and what it can be asked to send."""

    name: str
    ask: Ask
    program: str = ""
    """What must be installed; the libraries are."""
    can_send: Callable[[Refusal], bool] = lambda _: True

    @property
    def is_installed(self) -> bool:
        return is_installed(self.program)


def _is_told(refusal: Refusal) -> bool:
    return refusal.declares


def _is_small(refusal: Refusal) -> bool:
    # wrk and h2load fill no connection that is closed under them: each new one begins anew.
    return refusal.declares and refusal.size <= SMALL


READERS = (
    Reader("curl 2", by_curl("--http2"), "curl"),
    Reader("curl 1.1", by_curl("--http1.1"), "curl"),
    Reader("requests", by_requests),
    Reader("urllib3", by_urllib3),
    Reader("httpx 2", by_httpx("2")),
    Reader("httpx 1.1", by_httpx("1.1")),
    Reader("node 2", by_node("http2"), "node"),
    Reader("node 1.1", by_node("https"), "node"),
    Reader("nghttp", by_nghttp, "nghttp"),
    Reader("h2load 2", by_h2load(), "h2load", _is_told),
    Reader("h2load 1.1", by_h2load("--h1"), "h2load", _is_told),
    Reader("wrk", by_wrk, "wrk", _is_small),
)
