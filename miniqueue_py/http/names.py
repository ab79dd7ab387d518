"""Topic names as they stand in a path."""

from urllib.parse import unquote_to_bytes

from miniqueue_py.errors import BadTopicName
from miniqueue_py.topic_names import check_topic_name


def topic_name(segment: bytes | str) -> str:
    """Return the topic that a raw path segment names, percent-decoded once.

    One in text, as Quart's pages get it, is its bytes as latin-1. Raises BadTopicName.
    """
    if isinstance(segment, str):
        segment = segment.encode("latin-1")
    raw = unquote_to_bytes(segment) if b"%" in segment else segment
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise BadTopicName("it is not UTF-8") from None
    return check_topic_name(name)
