"""A broker of ours in a directory of its own, until the block ends."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from miniqueue_py.tls.certificates import make_certificates
from tests.outside.server import RunningBroker


@contextmanager
def running_broker(fsync: str, more: Sequence[str] = ()) -> Iterator[RunningBroker]:
    with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
        certificates = make_certificates(Path(directory))
        flags = ("-fsync", fsync, *more)
        with RunningBroker(Path(directory, "db"), certificates, flags) as broker:
            yield broker
