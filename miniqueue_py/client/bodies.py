"""From the bytes of a message to what a handler takes, by the annotation of its argument.

pydantic and msgspec are imported when an annotation is one of theirs, and never
else. What they say of a body that does not fit may quote it, and this goes to a
log: only the place and the kind of a problem come out of here.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_args, get_origin

from miniqueue_py.client.errors import BadHandler
from miniqueue_py.client.outcomes import Unreadable

MOST_PROBLEMS = 3
"""Of one body, that are told."""

_PATH = re.compile(r" - at `(\$[\w.\[\]]*)`$")
"""How msgspec says where."""

Reader = Callable[[bytes], Any]
"""Raises Unreadable."""


def reader_of(annotation: Any) -> Reader | None:
    """Return what reads a body for this annotation, or None if nothing does."""
    for plain, read in ((bytes, bytes), (str, _read_text), (Any, _read_json)):
        if annotation is plain:
            return read
    kind = get_origin(annotation) or annotation
    is_container = kind is dict or kind is list
    if is_container and get_args(annotation) in _UNCHECKED:
        return _json_reader(kind)
    if _has_pydantic(annotation):
        return _pydantic_reader(annotation)
    if is_container or hasattr(kind, "__struct_fields__") or dataclasses.is_dataclass(kind):
        return _msgspec_reader(annotation)
    return None


_UNCHECKED: tuple[tuple[Any, ...], ...] = ((), (Any,), (str, Any))
"""What stands in the brackets of a list or a dict that has just to be one."""


def _has_pydantic(annotation: Any) -> bool:
    """Tell a model, a dataclass of pydantic's, and a container of those."""
    kind = get_origin(annotation) or annotation
    return hasattr(kind, "__pydantic_validator__") or any(map(_has_pydantic, get_args(annotation)))


def _read_text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is no UTF-8, from byte {error.start} on") from None


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is no JSON ({type(error).__name__})") from None


def _json_reader(kind: type) -> Reader:
    def read(body: bytes) -> Any:
        value = _read_json(body)
        if not isinstance(value, kind):
            raise Unreadable(f"it is JSON, and no {kind.__name__}")
        return value

    return read


def _pydantic_reader(annotation: Any) -> Reader:
    pydantic = import_module("pydantic")
    refused: type[Exception] = pydantic.ValidationError
    validate = pydantic.TypeAdapter(annotation).validate_json
    name = _name(annotation)

    def read(body: bytes) -> Any:
        try:
            return validate(body)
        except refused as error:
            told: Any = error
            # Not the location: its parts may be keys of the body.
            kinds = [each["type"] for each in told.errors(include_url=False, include_input=False)]
            more = ", ..." if len(kinds) > MOST_PROBLEMS else ""
            problem = ", ".join(kinds[:MOST_PROBLEMS]) + more
            raise Unreadable(f"it is no {name} ({problem})") from None

    return read


def _msgspec_reader(annotation: Any) -> Reader:
    name = _name(annotation)
    try:
        msgspec = import_module("msgspec")
    except ModuleNotFoundError:
        raise BadHandler(f"{name} is read by msgspec: pip install msgspec") from None
    refused: tuple[type[Exception], ...]
    refused = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    try:
        decode = msgspec.json.Decoder(annotation).decode
    except TypeError as error:
        raise BadHandler(f"msgspec cannot read {name}: {error}") from error

    def read(body: bytes) -> Any:
        try:
            return decode(body)
        except refused as error:
            # Not all it says: in front of the path there may be a value of the body.
            path = _PATH.search(str(error))
            where = "" if path is None else f" at {path[1]}"
            raise Unreadable(f"it is no {name} ({type(error).__name__}{where})") from None

    return read


def _name(annotation: Any) -> str:
    return annotation.__name__ if get_origin(annotation) is None else str(annotation)
