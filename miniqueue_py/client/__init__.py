"""A client for programs: asyncio and trio, over one HTTP/2 connection."""

from miniqueue_py.client.client import Client, Receipt
from miniqueue_py.client.delivery import Delivery, Message, Origin
from miniqueue_py.client.publisher import Publisher
from miniqueue_py.client.subscription import Subscription
from miniqueue_py.client.topic import Topic

__all__ = [
    "Client",
    "Delivery",
    "Message",
    "Origin",
    "Publisher",
    "Receipt",
    "Subscription",
    "Topic",
]
