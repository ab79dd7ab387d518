"""docs/dialects.md says what is there, and each of its examples runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from miniqueue_py.broker.policy import Backoff
from miniqueue_py.config.settings import settings_table
from miniqueue_py.http.dialects.coramq import requests as coramq
from miniqueue_py.http.dialects.known import NAMES
from miniqueue_py.http.dialects.tasks import requests as tasks
from miniqueue_py.http.dialects.zapq import requests as zapq
from miniqueue_py.http.dialects.zoldyq import requests as zoldyq
from miniqueue_py.http.dialects.zoldyq.dequeuing import (
    MOST_MARKS,
    SENT_TOGETHER,
    SENT_TOGETHER_BYTES,
)
from miniqueue_py.tls.certificates import make_certificates
from tests import snippets
from tests.outside.curl import find_curl
from tests.outside.dialects import dialect_broker, dialect_url
from tests.outside.server import RunningBroker
from tests.transcripts import examples, run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "dialects.md"
PORTS = {"zapq": 8081, "coramq": 8082, "zoldyq": 9000, "tasks": 8085}
QUICK = ("-period", "100ms")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    certificates = make_certificates(tmp_path / "certs")
    with dialect_broker(tmp_path / "db", certificates, *QUICK) as broker:
        yield broker


def with_ports_of(broker: RunningBroker, text: str) -> str:
    for name, port in PORTS.items():
        text = text.replace(
            f"localhost:{port}", f"localhost:{urlsplit(dialect_url(broker, name)).port}"
        )
    return text


def test_every_example_prints_what_the_page_shows(broker: RunningBroker, tmp_path: Path) -> None:
    find_curl()
    commands = list(examples(with_ports_of(broker, PAGE.read_text())))

    ran = run(commands, tmp_path, broker.port)

    for each in ran:
        assert each.is_as_told, f"{each.example.command}\n\nprints\n\n{each.printed}"
    shutil.rmtree(tmp_path / "snapshots")


@pytest.mark.anyio
async def test_its_python_runs(
    broker: RunningBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = with_ports_of(broker, PAGE.read_text())

    await snippets.run(list(snippets.snippets(page)), str(PAGE), f"https://localhost:{broker.port}")


@pytest.mark.parametrize(
    "told",
    [
        f"at most {zapq.LONGEST_MESSAGE_BYTES} (128 KB)",
        f"not acknowledged within {coramq.VISIBILITY_SECONDS:g} seconds",
        f"0 to {zoldyq.LONGEST_TIMEOUT_SECONDS:g} seconds",
        f"no more than {MOST_MARKS * SENT_TOGETHER} payloads",
        f"or {MOST_MARKS * SENT_TOGETHER_BYTES >> 10} KiB;",
        f"a string of 1 to {tasks.LONGEST_TYPE} characters",
        f"tried again {tasks.POLICY.max_deliveries - 1} times"
        if tasks.POLICY.max_deliveries
        else "",
        f"has {tasks.POLICY.lease / 60:g} minutes" if tasks.POLICY.lease else "",
    ],
)
def test_its_numbers_are_those_of_the_code(told: str) -> None:
    assert told
    assert told in PAGE.read_text().replace("\n", " ")


def test_the_gaps_between_attempts_are_those_of_the_code() -> None:
    backoff = tasks.POLICY.backoff

    assert backoff == Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.1)
    assert "after 1, 2 and 4 seconds, each give or take a tenth" in " ".join(
        PAGE.read_text().split()
    )


def test_every_setting_of_the_dialects_is_told_with_its_default() -> None:
    page = PAGE.read_text()

    for _, _, each in settings_table():
        if each.chapter == "dialects":
            rows = [
                row for row in page.splitlines() if row.startswith("|") and f"`-{each.flag}`" in row
            ]
            assert rows, each.flag
            assert all(f"`{each.alias}`" in row or not each.alias for row in rows[:1])
            assert not each.default or f"`{each.default}`" in rows[0]


def test_every_dialect_has_a_row() -> None:
    for name in NAMES:
        assert f"| `{name}` |" in PAGE.read_text()
