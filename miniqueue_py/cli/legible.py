"""Words on screens, cut to the room that there is."""

import sys

from miniqueue_py.legible import legible, legible_text

__all__ = ["counted", "legible", "legible_body", "legible_text", "screen_text", "shortened"]


def legible_body(body: bytes, most: int) -> str:
    """Return the beginning of a body, `most` characters of it, in one line."""
    text = body[: 4 * most].decode(errors="backslashreplace")
    return shortened(legible(text), most)


def screen_text(body: bytes) -> bytes:
    """Return all of a body as the terminal of stdout may have it, in its own encoding."""
    shown = legible_text(body)
    if sys.stdout.encoding.lower() == "utf-8":
        return shown
    return shown.decode().encode(sys.stdout.encoding, errors="backslashreplace")


def shortened(text: str, most: int) -> str:
    """Return no more than `most` characters: what is left out is in the middle."""
    if len(text) <= most:
        return text
    left = most // 2
    return f"{text[:left]}…{text[len(text) - (most - left - 1) :]}"


def counted(count: int, noun: str) -> str:
    """Return `1 topic`, `2,000 topics`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
