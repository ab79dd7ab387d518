"""What docs/client.md says is so: every snippet is run (`tests/snippets.py` tells how)."""

import re
import shutil
from pathlib import Path

import pytest

import miniqueue_py
from miniqueue_py import MiniqueueError
from miniqueue_py.broker.subscriber import MOST_HELD_BYTES
from miniqueue_py.client import client, publisher
from miniqueue_py.client.backoff import LONGEST_SECONDS
from miniqueue_py.client.http2 import requests
from miniqueue_py.tls.certificates import make_certificates
from tests.outside.server import RunningBroker
from tests.snippets import run, snippets

PAGE = Path(__file__).resolve().parents[1] / "docs" / "client.md"
FLAGS = ("-fsync", "never", "-period", "20ms")

ERROR_ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \| [^|]*\|$", re.MULTILINE)


@pytest.mark.anyio
async def test_every_snippet_runs_and_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = make_certificates(tmp_path / "certs")
    shutil.copy(certificates.certificate, tmp_path / "certs" / "client.pem")
    shutil.copy(certificates.key, tmp_path / "certs" / "client-key.pem")
    monkeypatch.chdir(tmp_path)
    these = list(snippets(PAGE.read_text()))

    with RunningBroker(tmp_path / "db", certificates, flags=FLAGS) as broker:
        ran = await run(these, str(PAGE), f"https://localhost:{broker.port}")

    assert len(ran) == PAGE.read_text().count("```python\n")
    for each in ran:
        assert each.is_as_told, f"{each.snippet.text}\nprints\n\n{each.printed}"


def test_every_error_is_in_the_table() -> None:
    public = {name: getattr(miniqueue_py, name) for name in miniqueue_py.__all__}
    errors = {
        name
        for name, value in public.items()
        if isinstance(value, type) and issubclass(value, MiniqueueError)
    }

    assert set(ERROR_ROW.findall(PAGE.read_text())) == errors


@pytest.mark.parametrize(
    "limit",
    [
        f"{publisher.MOST_UNCONFIRMED_BYTES >> 20} MiB or {publisher.MOST_UNCONFIRMED:,} messages",
        f"Credit is 1 to {client.MOST_CREDIT:,}",
        f"at most {MOST_HELD_BYTES >> 20} MiB in flight",
        f"{client.SHORTEST_LEASE:g} to {client.LONGEST_LEASE:,.0f} seconds",
        f"{requests.MOST_AT_ONCE} requests are under way",
        f"says nothing for {client.SILENCE_SECONDS:g} seconds",
    ],
)
def test_the_limits_are_those_of_the_code(limit: str) -> None:
    assert limit in PAGE.read_text().replace("\n", " ")


def test_the_words_for_numbers_are_those_of_the_code() -> None:
    assert (LONGEST_SECONDS, client.GOODBYE_SECONDS) == (5, 2)
