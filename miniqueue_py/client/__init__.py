"""A client for programs: asyncio and trio, over one HTTP/2 connection."""

from miniqueue_py.client.client import Client, Receipt
from miniqueue_py.client.delivery import Delivery, Message, Origin
from miniqueue_py.client.publisher import Publisher
from miniqueue_py.client.subscription import Subscription
from miniqueue_py.client.sync.client import SyncClient
from miniqueue_py.client.sync.delivery import SyncDelivery
from miniqueue_py.client.sync.publisher import SyncPublisher
from miniqueue_py.client.sync.subscription import SyncSubscription
from miniqueue_py.client.worker.outcomes import Reject, Retry
from miniqueue_py.client.worker.task import Task
from miniqueue_py.client.worker.worker import Worker
from miniqueue_py.protocol.topics import Topic

__all__ = [
    "Client",
    "Delivery",
    "Message",
    "Origin",
    "Publisher",
    "Receipt",
    "Reject",
    "Retry",
    "Subscription",
    "SyncClient",
    "SyncDelivery",
    "SyncPublisher",
    "SyncSubscription",
    "Task",
    "Topic",
    "Worker",
]
