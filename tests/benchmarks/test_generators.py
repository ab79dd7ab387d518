"""What other people's load generators say is believed only when nothing went wrong."""

import pytest

from benchmarks.peers.h2load import count_successes
from benchmarks.peers.http1 import count_requests
from benchmarks.peers.sample import BrokenPromise

H2LOAD = """
finished in 1.00s, 3000.00 req/s, 93.27KB/s
requests: 3000 total, 3000 done, {good} succeeded, {bad} failed, 0 errored, {late} timeout
status codes: {good} 2xx, 0 3xx, 0 4xx, {bad} 5xx
"""
WRK = """
  2 threads and 100 connections
  5000 requests in 1.01s, 639.64KB read
{more}Requests/sec:   4950.20
"""


def test_h2load_counts_the_good_answers() -> None:
    assert count_successes(H2LOAD.format(good=3000, bad=0, late=0)) == 3000


@pytest.mark.parametrize(
    "told",
    [
        H2LOAD.format(good=2999, bad=1, late=0),
        H2LOAD.format(good=3000, bad=0, late=1),
        H2LOAD.format(good=0, bad=0, late=0),
        "could not connect",
    ],
)
def test_h2load_is_not_believed_after_a_refusal(told: str) -> None:
    with pytest.raises(BrokenPromise):
        count_successes(told)


def test_wrk_counts_the_good_answers() -> None:
    assert count_requests(WRK.format(more="")) == 5000


@pytest.mark.parametrize(
    "told",
    [
        WRK.format(more="  Non-2xx or 3xx responses: 7\n"),
        WRK.format(more="  Socket errors: connect 0, read 3, write 0, timeout 0\n"),
        "unable to connect",
    ],
)
def test_wrk_is_not_believed_after_a_refusal(told: str) -> None:
    with pytest.raises(BrokenPromise):
        count_requests(told)
