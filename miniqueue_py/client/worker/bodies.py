"""From the bytes of a message to what a handler takes, by the annotation of its argument.

pydantic and msgspec are imported when an annotation is one of theirs, and never
else. What they say of a body that does not fit may quote it, and this goes to a
log: only the place and the kind of a problem come out of here.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, get_args, get_origin

from miniqueue_py.client.errors import BadHandler
from miniqueue_py.client.worker.outcomes import Unreadable

MOST_PROBLEMS = 3
"""Of one body, that are told."""

_NOT_READ = re.compile(
    r"(?:E(?P<fault>xpected .*?)|Object missing required field `(?P<field>[^`]+)`|Invalid .*?)"
    r"(?: - at `(?:key` in `)?(?P<path>\$[^`]*)`)?",
    re.DOTALL,
)
"""What msgspec says, without that a key is unknown: that one is the body's own."""

Reader = Callable[[bytes], Any]
"""Raises Unreadable."""


def reader_of(annotation: Any) -> Reader | None:
    """Return what reads a body for this annotation, or None if nothing does."""
    for plain, read in _PLAIN:
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
        if type(value) is not kind:  # not by isinstance: true is no int
            raise Unreadable(f"it is JSON, and no {kind.__name__}")
        return value

    return read


def _read_float(body: bytes) -> float:
    value = _read_json(body)
    if type(value) is int or type(value) is float:
        with suppress(OverflowError):
            return float(value)
    raise Unreadable("it is JSON, and no float")


_PLAIN: tuple[tuple[Any, Reader], ...] = (
    (bytes, bytes),
    (str, _read_text),
    (int, _json_reader(int)),
    (float, _read_float),
    (bool, _json_reader(bool)),
    (Any, _read_json),
)


def _pydantic_reader(annotation: Any) -> Reader:
    pydantic = import_module("pydantic")
    refused: type[Exception] = pydantic.ValidationError
    adapter = pydantic.TypeAdapter(annotation)
    validate = adapter.validate_json
    name = _name(annotation)

    def read(body: bytes) -> Any:
        try:
            return validate(body)
        except refused as error:
            told: Any = error
            found = told.errors(include_url=False, include_input=False)
            ours = _words_in(adapter.core_schema)
            problems = [
                _placed(each["type"], _path(each["loc"], ours)) for each in found[:MOST_PROBLEMS]
            ]
            more = ", ..." if len(found) > MOST_PROBLEMS else ""
            raise Unreadable(f"it is no {name} ({', '.join(problems)}{more})") from None

    return read


def _words_in(schema: Any) -> set[str]:
    """Return what a location may say: the names of fields and kinds, and no key of the body's."""
    if isinstance(schema, str):
        return {schema}
    if isinstance(schema, dict):
        return set().union(*map(_words_in, schema), *map(_words_in, schema.values()))
    if isinstance(schema, list | tuple):
        return set().union(*map(_words_in, schema))
    return set()


def _path(location: tuple[str | int, ...], ours: set[str]) -> str:
    parts = (
        f"[{part}]" if isinstance(part, int) else f".{part}" if part in ours else "[...]"
        for part in location
    )
    return "$" + "".join(parts)


def _placed(kind: str, path: str) -> str:
    return kind if path == "$" else f"{kind} at {path}"


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
            raise Unreadable(f"it is no {name} ({_msgspec_problem(error)})") from None

    return read


def _msgspec_problem(error: Exception) -> str:
    told = _NOT_READ.fullmatch(str(error))
    if told is None:
        return type(error).__name__
    path = told["path"] or "$"
    if told["field"]:
        return _placed("missing", f"{path}.{told['field']}")
    if told["fault"]:
        return _placed(f"e{told['fault']}".replace("`", ""), path)
    return _placed(type(error).__name__, path)  # it quotes the body


def _name(annotation: Any) -> str:
    return annotation.__name__ if get_origin(annotation) is None else str(annotation)
