"""What a client has read, in a word: the status, if the words came with it."""

import json


def told(status: int | str, body: bytes | str) -> str:
    """Return the status, or what is wrong with its body."""
    try:
        text = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return f"{status} without its words: {body[:80]!r}"
    return f"{status}" if text else f"{status} without a word"
