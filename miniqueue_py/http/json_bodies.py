"""JSON as pages take it and give it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

from quart import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge

from miniqueue_py.http.json_answers import json_answer
from miniqueue_py.http.json_text import BodyTooLong, encode, parse
from miniqueue_py.http.problems import as_response


async def read_body(request: Request) -> bytes:
    """Return a request's body. Raises BodyTooLong."""
    try:
        return await request.get_data(cache=False, as_text=False, parse_form_data=False)
    except RequestEntityTooLarge:
        raise BodyTooLong(request.max_content_length or 0) from None


async def read_json(request: Request) -> object:
    """Return the value of a request's body, whatever its Content-Type says.

    Raises BadParameter, and RequestEntityTooLarge.
    """
    return parse(await request.get_data(cache=False, as_text=False, parse_form_data=False))


def answer(value: object, status: int = 200) -> Response:
    """Return a page of JSON, with a line end for those who read it in a terminal."""
    return answer_encoded(encode(value), status)


def answer_encoded(body: bytes, status: int = 200) -> Response:
    """Return a page of what is JSON already."""
    return as_response(*json_answer(body, status))


def answer_pieces(pieces: Sequence[bytes], status: int = 200) -> Response:
    """Return a page of JSON in pieces, however many: others have their turn in between."""

    async def send() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(0)

    response = Response(send(), status, content_type="application/json")
    response.content_length = sum(map(len, pieces))
    return response


def nothing(status: int) -> Response:
    """Return an answer that is all in its status."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    if status == HTTPStatus.NO_CONTENT:
        del response.headers["Content-Length"]  # RFC 9110, section 8.6
    return response
