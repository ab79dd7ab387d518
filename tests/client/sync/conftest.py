"""A SyncClient on the broker of the client's tests, and the promise that no thread is left."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniqueue_py import SyncClient
from tests.client.proxy import Proxy


@pytest.fixture(autouse=True)
def no_task_left(no_socket_left: None) -> Iterator[None]:
    """Of a client that runs in a thread, no thread; with it went its loop and its tasks."""
    before = set(threading.enumerate())
    yield
    left = [each.name for each in threading.enumerate() if each not in before and each.is_alive()]
    assert left == []


@pytest.fixture
def queue(url: str, ca: Path, no_task_left: None) -> Iterator[SyncClient]:
    with SyncClient(url, ca=ca) as queue:
        yield queue


@pytest.fixture
def far_queue(proxy: Proxy, ca: Path, no_task_left: None) -> Iterator[SyncClient]:
    """A client behind the proxy."""
    with SyncClient(proxy.url, ca=ca) as queue:
        yield queue
