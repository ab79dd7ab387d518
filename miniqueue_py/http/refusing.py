"""What is refused before the broker is asked: it is told of that, once.

What `Broker.publish` refuses the broker tells itself. So a publish does not
stand in such a block.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import BadTopicName, MiniqueueError
from miniqueue_py.http.names import topic_name


@contextmanager
def refusing(broker: Broker, topic: str) -> Iterator[None]:
    """Report a publish to that topic as refused if the block raises a MiniqueueError."""
    try:
        yield
    except MiniqueueError as error:
        broker.reports.refused(topic, error)
        raise


@contextmanager
def publishing_to(broker: Broker, segment: bytes | str) -> Iterator[str]:
    """Yield the topic that a raw path segment names; else as `refusing`.

    Raises BadTopicName, of no topic then.
    """
    try:
        topic = topic_name(segment)
    except BadTopicName as error:
        broker.reports.refused("", error)
        raise
    with refusing(broker, topic):
        yield topic
