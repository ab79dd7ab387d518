"""Which codec a process uses, and what it imports for that."""

import subprocess
import sys

import pytest

from miniqueue_py.errors import BadSetting
from miniqueue_py.http2 import choose
from miniqueue_py.http2.choose import VARIABLE, codec_class, new_codec
from miniqueue_py.http2.h2_codec import H2Codec
from miniqueue_py.http2.ngh2_codec import Ngh2Codec
from miniqueue_py.testing.codecs import Recorder


def test_ngh2_is_the_codec_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert codec_class() is Ngh2Codec


def test_h2_is_the_codec_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(choose, "find_spec", lambda _: None)
    choose.default_codec.cache_clear()
    try:
        assert codec_class() is H2Codec
    finally:
        choose.default_codec.cache_clear()


@pytest.mark.parametrize(("name", "kind"), [("h2", H2Codec), ("ngh2", Ngh2Codec)])
def test_a_codec_may_be_named(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: type[object]
) -> None:
    monkeypatch.setenv(VARIABLE, name)
    codec = new_codec(Recorder(), is_client=True, settings={}, connection_window=1 << 20)
    assert isinstance(codec, kind)


def test_an_unknown_codec_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nghttp2")
    with pytest.raises(BadSetting, match="MINIQUEUE_HTTP2: 'nghttp2' is no codec"):
        codec_class()


@pytest.mark.parametrize(("name", "other"), [("ngh2", "h2"), ("h2", "ngh2")])
def test_a_codec_imports_nothing_of_the_other(name: str, other: str) -> None:
    program = (
        "import sys; from miniqueue_py.http2.choose import codec_class; codec_class(); "
        f"sys.exit({other!r} in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], env={VARIABLE: name}, check=True)
