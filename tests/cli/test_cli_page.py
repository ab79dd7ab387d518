"""docs/cli.md shows what the commands print."""

import re
from pathlib import Path

from miniqueue_py.broker.administration import ENOUGH_PEEKED_BYTES
from miniqueue_py.cli.commands import COMMANDS
from miniqueue_py.cli.taking import CREDIT
from miniqueue_py.client.operations import MOST_PEEKED
from miniqueue_py.http.pages import topics
from miniqueue_py.tls.certificates import make_certificates
from tests.outside.server import PROJECT, RunningBroker
from tests.transcripts import examples, run

PAGE = PROJECT / "docs" / "cli.md"
QUICK = ("-fsync", "never", "-period", "50ms")


def test_every_example_prints_what_the_page_shows(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certs")

    with RunningBroker(tmp_path / "db", certificates, flags=QUICK) as broker:
        ran = run([*examples(PAGE.read_text())], tmp_path, broker.port)

    assert ran
    for each in ran:
        assert each.is_as_told, f"{each.example.command}\n\nprints\n\n{each.printed}"


def test_every_command_has_a_place() -> None:
    page = PAGE.read_text()

    for name in COMMANDS:
        assert re.search(rf"^## .*\b{name}\b|\bminiqueue {name}\b", page, re.MULTILINE), name


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    page = PAGE.read_text().replace("\n", " ")

    assert f"come again: up to {CREDIT} messages" in page
    assert f"at most {MOST_PEEKED} messages or {ENOUGH_PEEKED_BYTES >> 20} MiB" in page
    assert MOST_PEEKED == topics.MOST_PEEKED
