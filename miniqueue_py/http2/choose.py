"""Which codec: ngh2 where it is installed, else h2; MINIQUEUE_HTTP2 names one."""

import os
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Protocol

from miniqueue_py.errors import BadSetting
from miniqueue_py.http2.codec import Codec, Receiver

VARIABLE = "MINIQUEUE_HTTP2"


class NewCodec(Protocol):
    """What makes a codec; what it says first is in `take` already."""

    def __call__(
        self,
        receiver: Receiver,
        *,
        is_client: bool,
        settings: Mapping[int, int],
        connection_window: int,
    ) -> Codec: ...


@cache
def default_codec() -> str:
    """Return which codec is installed: looked for once, and not for each connection."""
    return "ngh2" if find_spec("ngh2") else "h2"


def codec_name() -> str:
    """Return which codec this process has, "ngh2" or "h2". Raises BadSetting."""
    name = os.environ.get(VARIABLE) or default_codec()
    if name not in {"ngh2", "h2"}:
        raise BadSetting(VARIABLE, f"{name!r} is no codec; it is ngh2 or h2")
    return name


def codec_class() -> NewCodec:
    """Return the codec of this process. Raises BadSetting."""
    if codec_name() == "h2":
        from miniqueue_py.http2.h2_codec import H2Codec  # noqa: PLC0415  slow to import

        return H2Codec
    from miniqueue_py.http2.ngh2_codec import Ngh2Codec  # noqa: PLC0415  only if it is there

    return Ngh2Codec


def new_codec(
    receiver: Receiver, *, is_client: bool, settings: Mapping[int, int], connection_window: int
) -> Codec:
    """Return the codec of a new connection. Raises BadSetting."""
    return codec_class()(
        receiver, is_client=is_client, settings=settings, connection_window=connection_window
    )
