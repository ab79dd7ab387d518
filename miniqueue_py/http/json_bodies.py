"""JSON as pages take it and give it."""

import json
from http import HTTPStatus
from typing import NoReturn

from quart import Request, Response

from miniqueue_py.errors import BadParameter

_BODY = "the body"


async def read_json(request: Request) -> object:
    """Return the value of a request's body, whatever its Content-Type says.

    Raises BadParameter, and RequestEntityTooLarge.
    """
    return parse(await request.get_data(cache=False, as_text=False, parse_form_data=False))


def parse(body: bytes) -> object:
    """Return the value; a key twice, or a number that is none, is an error here.

    Raises BadParameter.
    """
    try:
        value: object = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise BadParameter(_BODY, "is not UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"from line {error.lineno}, character {error.colno} on"
        raise BadParameter(_BODY, f"is not JSON {where}" if body else "is empty") from None
    except RecursionError:
        raise BadParameter(_BODY, "is nested too deeply") from None
    except ValueError:  # int() reads no more than 4300 digits
        raise BadParameter(_BODY, "has a number of too many digits in it") from None
    return value


def answer(value: object, status: int = 200) -> Response:
    """Return a page of JSON, with a line end for those who read it in a terminal."""
    return answer_encoded(encode(value), status)


def answer_encoded(body: bytes, status: int = 200) -> Response:
    """Return a page of what is JSON already."""
    return Response(body + b"\n", status, content_type="application/json")


def nothing(status: int) -> Response:
    """Return an answer that is all in its status."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    if status == HTTPStatus.NO_CONTENT:
        del response.headers["Content-Length"]  # RFC 9110, section 8.6
    return response


def encode(value: object) -> bytes:
    """Return JSON in UTF-8; half a surrogate pair, which has none, stays an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadParameter(_BODY, "has a key twice; which one counts is anybody's guess")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise BadParameter(_BODY, f"has {name} in it, which is no number in JSON")


def _number(text: str) -> float:
    """Return 3 for 3.0 and 3e0, which JSON does not tell apart."""
    number = float(text)
    return int(number) if number.is_integer() else number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_constant=_refuse_constant
)
