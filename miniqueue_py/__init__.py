"""A simple, durable message queue over HTTP/2.

What programs use stands here; it is loaded when it is asked for, so that a
broker does not load a client, nor a script a broker.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from miniqueue_py.version import __version__

if TYPE_CHECKING:
    from miniqueue_py.client import (
        Client,
        Delivery,
        Message,
        Origin,
        Publisher,
        Receipt,
        Reject,
        Retry,
        Subscription,
        SyncClient,
        SyncDelivery,
        SyncPublisher,
        SyncSubscription,
        Task,
        Topic,
        Worker,
    )
    from miniqueue_py.client.errors import (
        AlreadySettled,
        BadHandler,
        CannotConnect,
        CertificateRefused,
        ClientClosed,
        DeliveryLost,
        Forgotten,
        Misuse,
        NoAnswer,
        NotABroker,
        NotAuthenticated,
        NotHttp2,
        RightMissing,
        TokenRefused,
        TokenStale,
        WrongHostName,
        WrongTask,
        WrongThread,
    )
    from miniqueue_py.errors import (
        BadParameter,
        BadRequest,
        BadTopicName,
        ConnectionLost,
        Contradiction,
        LeaseExpired,
        MessageTooLong,
        MiniqueueError,
        ProtocolError,
        SettlementError,
        TopicFull,
        TopicNotFound,
        Unavailable,
    )

__all__ = [
    "AlreadySettled",
    "BadHandler",
    "BadParameter",
    "BadRequest",
    "BadTopicName",
    "CannotConnect",
    "CertificateRefused",
    "Client",
    "ClientClosed",
    "ConnectionLost",
    "Contradiction",
    "Delivery",
    "DeliveryLost",
    "Forgotten",
    "LeaseExpired",
    "Message",
    "MessageTooLong",
    "MiniqueueError",
    "Misuse",
    "NoAnswer",
    "NotABroker",
    "NotAuthenticated",
    "NotHttp2",
    "Origin",
    "ProtocolError",
    "Publisher",
    "Receipt",
    "Reject",
    "Retry",
    "RightMissing",
    "SettlementError",
    "Subscription",
    "SyncClient",
    "SyncDelivery",
    "SyncPublisher",
    "SyncSubscription",
    "Task",
    "TokenRefused",
    "TokenStale",
    "Topic",
    "TopicFull",
    "TopicNotFound",
    "Unavailable",
    "Worker",
    "WrongHostName",
    "WrongTask",
    "WrongThread",
    "__version__",
]

_ROOMS = ("miniqueue_py.client", "miniqueue_py.client.errors", "miniqueue_py.errors")


def __getattr__(name: str) -> object:
    """Load a public name from the room that it lives in."""
    if name in __all__:
        for room in map(import_module, _ROOMS):
            if hasattr(room, name):
                return getattr(room, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what may be asked for, for those who complete names."""
    return __all__
