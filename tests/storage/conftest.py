"""Which library keeps what a test stores: each test that asks for one runs with both."""

import pytest

from miniqueue_py.storage.keyvalue import libraries
from miniqueue_py.storage.keyvalue.libraries import LEVELDB, ROCKSDB
from miniqueue_py.storage.keyvalue.library import Library
from tests.storage.engines import skip_if_absent


@pytest.fixture(params=[LEVELDB, ROCKSDB], ids=lambda library: library.scheme)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Have new databases be of this one."""
    chosen: Library = request.param
    skip_if_absent(chosen.scheme)
    others = [each for each in libraries.LIBRARIES if each is not chosen]
    monkeypatch.setattr(libraries, "LIBRARIES", (chosen, *others))
    return chosen
