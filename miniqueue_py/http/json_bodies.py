"""JSON as pages take it and give it."""

from http import HTTPStatus

from quart import Request, Response

from miniqueue_py.http.json_text import encode, parse


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
    return Response(body + b"\n", status, content_type="application/json")


def nothing(status: int) -> Response:
    """Return an answer that is all in its status."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    if status == HTTPStatus.NO_CONTENT:
        del response.headers["Content-Length"]  # RFC 9110, section 8.6
    return response
