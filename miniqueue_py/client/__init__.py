"""A client for programs: asyncio and trio, over one HTTP/2 connection."""

from miniqueue_py.client.client import Client, Receipt
from miniqueue_py.client.delivery import Delivery, Message, Origin
from miniqueue_py.client.outcomes import Reject, Retry
from miniqueue_py.client.publisher import Publisher
from miniqueue_py.client.subscription import Subscription
from miniqueue_py.client.sync import SyncClient
from miniqueue_py.client.sync_delivery import SyncDelivery
from miniqueue_py.client.sync_publisher import SyncPublisher
from miniqueue_py.client.sync_subscription import SyncSubscription
from miniqueue_py.client.task import Task
from miniqueue_py.client.worker import Worker
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
