"""Libraries as clients: a connection of its own for every request.

What happens when the server answers and goes on reading is settled anew with
each connection; a kept one would show only the first.
"""

import ssl
from collections.abc import Callable, Iterator

import httpx
import requests
import urllib3

from benchmarks.refusals.cases import Desk, Refusal
from benchmarks.refusals.outcomes import told

PIECE_BYTES = 1 << 16
TIMEOUT = 60.0


def by_requests(desk: Desk, refusal: Refusal, times: int) -> Iterator[str]:
    """Ask by `requests`, which speaks HTTP/1.1."""

    def ask(body: bytes | Iterator[bytes]) -> tuple[int, bytes]:
        answer = requests.request(
            refusal.method,
            desk.url(refusal),
            data=body,
            headers={"content-type": refusal.content_type},
            verify=str(desk.ca),
            timeout=TIMEOUT,
        )
        return answer.status_code, answer.content

    return _repeat(ask, desk, refusal, times)


def by_urllib3(desk: Desk, refusal: Refusal, times: int) -> Iterator[str]:
    """Ask by urllib3 itself: `requests` catches some of its errors."""

    def ask(body: bytes | Iterator[bytes]) -> tuple[int, bytes]:
        with urllib3.PoolManager(ca_certs=str(desk.ca), retries=False, timeout=TIMEOUT) as pool:
            answer = pool.request(
                refusal.method,
                desk.url(refusal),
                body=body,
                headers={"content-type": refusal.content_type},
            )
            return answer.status, answer.data

    return _repeat(ask, desk, refusal, times)


def by_httpx(version: str) -> Callable[[Desk, Refusal, int], Iterator[str]]:
    """Return what asks by httpx, over HTTP "1.1" or "2"."""

    def ask_all(desk: Desk, refusal: Refusal, times: int) -> Iterator[str]:
        context = ssl.create_default_context(cafile=desk.ca)

        def ask(body: bytes | Iterator[bytes]) -> tuple[int, bytes]:
            is_new = version == "2"
            with httpx.Client(
                http1=not is_new, http2=is_new, verify=context, timeout=TIMEOUT
            ) as client:
                answer = client.request(
                    refusal.method,
                    desk.url(refusal),
                    content=body,
                    headers={"content-type": refusal.content_type},
                )
                return answer.status_code, answer.content

        return _repeat(ask, desk, refusal, times)

    return ask_all


def _repeat(
    ask: Callable[[bytes | Iterator[bytes]], tuple[int, bytes]],
    desk: Desk,
    refusal: Refusal,
    times: int,
) -> Iterator[str]:
    whole = desk.body(refusal.size).read_bytes()
    for _ in range(times):
        body = whole if refusal.declares else _pieces(whole)
        try:
            yield told(*ask(body))
        except (OSError, httpx.HTTPError, urllib3.exceptions.HTTPError) as error:
            yield f"{type(error).__name__}: {error}"


def _pieces(whole: bytes) -> Iterator[bytes]:
    """Yield a body in pieces; who is given these cannot know its length."""
    for at in range(0, len(whole), PIECE_BYTES):
        yield whole[at : at + PIECE_BYTES]
