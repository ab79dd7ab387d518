"""A refusal is read by everybody, whether or not its body was wanted to its end.

`python -m benchmarks refusals` asks all of them a hundred times.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from benchmarks.refusals import open_desk
from benchmarks.refusals.cases import ALL, MIB, Desk, Refusal
from benchmarks.refusals.readers import READERS, Reader
from tests.outside.absence import absent
from tests.outside.server import RunningBroker

TIMES = 2

LARGE = 4 * MIB
"""More than a client can send before the refusal comes, and more than one window."""


@pytest.fixture(scope="module")
def desk(module_broker: RunningBroker) -> Iterator[Desk]:
    with open_desk(module_broker) as desk:
        yield desk


PAIRS = [
    pytest.param(reader, refusal, id=f"{reader.name}, {refusal.name}")
    for reader in READERS
    for refusal in ALL
    if reader.can_send(refusal) and refusal.size <= LARGE
]


@pytest.mark.parametrize(("reader", "refusal"), PAIRS)
def test_a_refusal_is_read(
    broker: RunningBroker, desk: Desk, reader: Reader, refusal: Refusal
) -> None:
    if not reader.is_installed:
        absent(f"{reader.program} is not installed")

    outcomes = Counter(reader.ask(desk, refusal, TIMES))

    assert outcomes == {str(refusal.status): TIMES}
