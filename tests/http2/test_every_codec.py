"""The same promises, by every codec, to every codec."""

import pytest

from miniqueue_py.http2.choose import NewCodec
from miniqueue_py.http2.h2_codec import H2Codec
from miniqueue_py.http2.ngh2_codec import Ngh2Codec
from miniqueue_py.testing.check_codec import CHECKS, Check, check_codec

CODECS: dict[str, NewCodec] = {"ngh2": Ngh2Codec, "h2": H2Codec}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("server", CODECS)
@pytest.mark.parametrize("client", CODECS)
def test_codec_keeps_promise(client: str, server: str, check: Check) -> None:
    check(CODECS[client], CODECS[server])


def test_the_suite_is_whole() -> None:
    assert len(CHECKS) == len({check.__name__ for check in CHECKS}) > 50
    assert check_codec not in CHECKS
