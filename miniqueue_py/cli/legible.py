"""Words on screens; and nothing in other people's names and bodies steers a terminal."""

from unicodedata import category

_HARMLESS = {"L", "M", "N", "P", "S"}
"""First letters of the categories that are shown as they are; else only a space is."""


def legible(text: str) -> str:
    r"""Return it with what cannot be seen, or would be obeyed, as `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def legible_text(body: bytes) -> bytes:
    """Return all of a body as a terminal may have it: its lines and tabs are kept."""
    text = body.decode(errors="backslashreplace")
    return "".join(each if each in "\n\t" else _shown(each) for each in text).encode()


def legible_body(body: bytes, most: int) -> str:
    """Return the beginning of a body, `most` characters of it, in one line."""
    text = body[: 4 * most].decode(errors="backslashreplace")
    return shortened(legible(text), most)


def shortened(text: str, most: int) -> str:
    """Return no more than `most` characters: what is left out is in the middle."""
    if len(text) <= most:
        return text
    left = most // 2
    return f"{text[:left]}…{text[len(text) - (most - left - 1) :]}"


def counted(count: int, noun: str) -> str:
    """Return `1 topic`, `2,000 topics`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _shown(character: str) -> str:
    if character == " " or category(character)[0] in _HARMLESS:
        return character
    return character.encode("unicode_escape").decode()
