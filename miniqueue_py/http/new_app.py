"""A Quart application with nothing in it yet, set up as all of ours are."""

from typing import Any

from quart import Quart, Request


def new_app(longest_body_bytes: int) -> Quart:
    """Return an application, and nothing global.

    Its paths are raw: what stands in a segment is decoded once, by `topic_name`.
    """
    app = Quart("miniqueue_py", static_folder=None)
    app.request_class = _PageRequest  # type: ignore[assignment]  # typed as Flask's
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.config["MAX_CONTENT_LENGTH"] = longest_body_bytes
    # Silent cuts of slow peers: the connection's own limits are enough.
    app.config["RESPONSE_TIMEOUT"] = None
    app.config["BODY_TIMEOUT"] = None
    # Nobody is sent to another path: that would be another topic.
    app.url_map.merge_slashes = False
    return app


class _PageRequest(Request):
    """A request whose query Quart does not see: it stumbles over one that is not UTF-8.

    Pages read it from the scope.
    """

    def __init__(
        self,
        method: str,
        scheme: str,
        path: str,
        _query_string: bytes,
        *others: Any,
        **more: Any,
    ) -> None:
        super().__init__(method, scheme, path, b"", *others, **more)
