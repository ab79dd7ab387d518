"""What is done for a secret tells nothing about it: the same calls, whoever asks.

The time is measured by `python -m benchmarks timing`, on a quiet machine.
"""

from types import FrameType

import pytest

from benchmarks.token_timing import SHARED, like
from miniqueue_py.http.access.secrets import Digests, digest_of, new_secret
from tests.profiling import profiled


def calls_of(digests: Digests[str], secret: bytes) -> list[str]:
    calls: list[str] = []

    def note(frame: FrameType, event: str, called: object) -> None:
        if event in {"call", "c_call"}:
            name = frame.f_code.co_name if event == "call" else getattr(called, "__name__", "")
            calls.append(f"{event} {name}")

    with profiled(note):
        digests.find(secret)
    return calls


@pytest.mark.parametrize("shared", SHARED)
def test_a_wrong_secret_makes_the_calls_of_a_right_one(shared: int) -> None:
    rights = [new_secret() for _ in range(200)]
    digests = Digests((digest_of(right.encode()), right) for right in rights)
    assert [digests.find(right.encode()) for right in rights] == rights
    expected = calls_of(digests, rights[0].encode())

    for right in rights:
        wrong = like(right, shared)
        assert digests.find(wrong) is None
        assert calls_of(digests, right.encode()) == expected
        assert calls_of(digests, wrong) == expected
    assert expected.count("c_call compare_digest") > 1, "all of a bin is compared"
