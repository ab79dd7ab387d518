"""Words on screens and in logs: nothing in other people's names and bodies steers a terminal."""

import json
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


def legible_json(document: str) -> str:
    """Return it with what `legible` would show otherwise in JSON's own escapes: the same JSON."""
    if document.isprintable():
        return document
    return "".join(each if _is_harmless(each) else json.dumps(each)[1:-1] for each in document)


def _shown(character: str) -> str:
    if _is_harmless(character):
        return character
    return character.encode("unicode_escape").decode()


def _is_harmless(character: str) -> bool:
    return character == " " or category(character)[0] in _HARMLESS
