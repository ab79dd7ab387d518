"""What each page needs: one line for each endpoint, and none without one.

Those of dialects are with them.

A page that is not here answers nobody where rights are needed.
"""

from collections.abc import Mapping
from typing import NamedTuple

from miniqueue_py.http.access.rights import ADMIN, CONSUME, EVERY_TOPIC, INSPECT, Right


class Need(NamedTuple):
    """What whoever asks for a page must have."""

    right: Right | None = None
    """None: they must be known."""
    topic: str = ""
    """Empty: the one that the path names."""
    is_open: bool = False
    """Anybody may ask."""
    instead: Right | None = None
    """Another right that is as good."""


KNOWN = Need()
"""To be somebody; the page itself looks at what they may see, or asks when it has read the body."""

OPEN = Need(is_open=True)
"""Nothing that is not in our source, and no more than that the process lives."""

Needs = Mapping[str, Need]

_ADMIN = Need(ADMIN)
_INSPECT = Need(INSPECT)

NATIVE: Needs = {
    "topics.show_all": KNOWN,
    # Who consumes has to know the topic's lease.
    "topics.show": Need(INSPECT, instead=CONSUME),
    "topics.peek": _INSPECT,
    **dict.fromkeys(
        (
            "topics.set_policy",
            "topics.delete",
            "topics.delete_short",
            "topics.pause",
            "topics.resume",
            "topics.purge",
            "topics.redrive",
        ),
        _ADMIN,
    ),
    "operations.metrics": Need(INSPECT, EVERY_TOPIC),
    "openapi.openapi": KNOWN,
    # Who signs in is not yet known.
    **dict.fromkeys(("login.show", "login.sign_in", "login.sign_out"), OPEN),
}
