"""Topic names: what is one, for the broker, its doors and its clients alike."""

from miniqueue_py.errors import BadTopicName

LONGEST_NAME_BYTES = 255


def check_topic_name(name: str) -> str:
    """Return the name. Raises BadTopicName."""
    if not name:
        raise BadTopicName("it is empty")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it, UTF-8 cannot
        raise BadTopicName("it is not UTF-8") from None
    if length > LONGEST_NAME_BYTES:
        raise BadTopicName(f"it is {length} bytes long")
    if "/" in name:
        raise BadTopicName("it contains '/'")
    if not name.isprintable() and any(_is_control(character) for character in name):
        raise BadTopicName("it contains a control character")
    return name


def _is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f"
