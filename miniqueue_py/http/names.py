"""Topic names as they stand in a path."""

from urllib.parse import unquote_to_bytes

from miniqueue_py.errors import BadTopicName

LONGEST_NAME_BYTES = 255


def topic_name(segment: bytes) -> str:
    """Return the topic that a raw path segment names, percent-decoded once.

    Raises BadTopicName.
    """
    raw = unquote_to_bytes(segment) if b"%" in segment else segment
    if not raw:
        raise BadTopicName("it is empty")
    if len(raw) > LONGEST_NAME_BYTES:
        raise BadTopicName(f"it is {len(raw)} bytes long")
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise BadTopicName("it is not UTF-8") from None
    if "/" in name:
        raise BadTopicName("it contains '/'")
    if not name.isprintable() and any(_is_control(character) for character in name):
        raise BadTopicName("it contains a control character")
    return name


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f"
