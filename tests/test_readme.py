"""The README and the documents say what is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniqueue_py import Client
from miniqueue_py.config.settings import settings_table
from miniqueue_py.tls.certificates import make_certificates
from tests import snippets
from tests.outside.curl import find_curl
from tests.outside.server import RunningBroker
from tests.transcripts import examples, run

PROJECT = Path(__file__).resolve().parents[1]
README = PROJECT / "README.md"
PAGES = [README, *sorted((PROJECT / "docs").glob("*.md"))]
PAGES_TO_TRY = [README, PROJECT / "docs" / "tour.md", PROJECT / "docs" / "protocol.md"]
SETTINGS = PROJECT / "docs" / "settings.md"
REPOSITORY = "https://github.com/miniqueue-py/miniqueue-py/"
LONGEST_README = 130

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
QUICK = ("-period", "100ms")
PATH_IN_TEXT = re.compile(r"`((?:docs|tests|benchmarks|examples|miniqueue_py)/[^`\s]*)`")
TARGET = re.compile(r"\bmake ([a-z]+)\b(?=[`\s]+(?:#|measures|$))", re.MULTILINE)
FIRST_SCREEN = 24


def test_the_table_of_settings_is_that_of_the_program() -> None:
    rows = [
        (flag, variable, default)
        for flag, variable, default, explanation in table_rows("| flag | variable | default |")
        if explanation
    ]

    assert rows == [
        (f"`-{each.flag}`", f"`{each.variable}`", f"`{each.default}`" if each.default else "")
        for _, _, each in settings_table()
    ]


def test_the_two_commands_stand_on_the_first_screen_and_exist() -> None:
    first_screen = "\n".join(README.read_text().splitlines()[:FIRST_SCREEN])

    assert "make run" in first_screen
    assert "make test" in first_screen


def test_every_target_of_make_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    targets = set(TARGET.findall(README.read_text()))

    assert {"run", "test", "bench"} <= targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(without_code(page)):
        if target.startswith("https://") and not target.startswith(REPOSITORY):
            continue
        path, _, anchor = target.partition("#")
        goal = goal_of(path, page)
        assert goal.exists(), target
        assert goal.is_relative_to(PROJECT), target
        assert not anchor or anchor in anchors(goal), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    for path in PATH_IN_TEXT.findall(without_code(page)):
        assert (PROJECT / path).exists(), path


@pytest.mark.parametrize("page", PAGES_TO_TRY, ids=lambda page: page.name)
def test_every_example_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    find_curl()
    certificates = make_certificates(tmp_path / "certs")
    commands = [each for each in examples(page.read_text()) if "docker" not in each.command]

    with RunningBroker(tmp_path / "db", certificates, flags=QUICK) as broker:
        ran = run(commands, tmp_path, broker.port)

    for each in ran:
        assert each.is_as_told, f"{each.example.command}\n\nprints\n\n{each.printed}"


@pytest.mark.anyio
async def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = make_certificates(tmp_path / "certs")
    monkeypatch.chdir(tmp_path)

    with RunningBroker(tmp_path / "db", certificates, flags=QUICK) as broker:
        url = f"https://localhost:{broker.port}"
        await snippets.run(list(snippets.snippets(README.read_text())), str(README), url)

        async with Client(url, ca=certificates.authority) as queue:
            assert (await queue.topic("emails")).acknowledged == 1


def test_the_readme_is_short_and_its_links_hold_wherever_it_is_shown() -> None:
    links = LINK.findall(without_code(README))

    assert len(README.read_text().splitlines()) <= LONGEST_README
    assert [link for link in links if not link.startswith("https://")] == []


def goal_of(path: str, page: Path) -> Path:
    """Which file of the project a link leads to."""
    if not path.startswith(REPOSITORY):
        return (page.parent / path).resolve() if path else page
    return PROJECT / re.sub(r"^(blob|tree)/main/", "", path.removeprefix(REPOSITORY))


def table_rows(head: str) -> Iterator[list[str]]:
    """The cells of each row of the table of settings that begins with that head."""
    lines = iter(SETTINGS.read_text().splitlines())
    assert any(line.startswith(head) for line in lines), f"no table {head}"
    next(lines)  # the rule under it
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def without_code(page: Path) -> str:
    return CODE_BLOCK.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = (heading.lower() for heading in HEADING.findall(without_code(page)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}
