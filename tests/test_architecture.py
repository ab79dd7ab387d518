"""docs/architecture.md says what is true: its rooms and files are there, and none is left out."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "miniqueue_py"
PAGE = (PROJECT / "docs" / "architecture.md").read_text()


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:[a-z0-9_]+/)*[a-z0-9_]+\.(?:py|md|toml))`", PAGE))
    named |= set(re.findall(r"\]\(([a-z]+\.md)\)", PAGE))

    assert len(named) > 20
    for name in named:
        places = (PACKAGE / name, PROJECT / name, PROJECT / "docs" / name)
        assert any(place.is_file() for place in places), name


def test_every_room_stands_in_it_and_every_room_in_it_is_there() -> None:
    rows = set(re.findall(r"^\| `([a-z0-9_/]+)/` \|", PAGE, re.MULTILINE))
    rooms = {
        str(init.parent.relative_to(PACKAGE))
        for init in PACKAGE.rglob("__init__.py")
        if init.parent != PACKAGE
    }

    missing = {room for room in rooms - rows if not any(room.startswith(f"{row}/") for row in rows)}
    assert not missing
    assert all((PACKAGE / row).is_dir() for row in rows)


def test_the_contracts_know_its_floors() -> None:
    settings = (PROJECT / "pyproject.toml").read_text()
    contracts = settings.split("[tool.importlinter]")[1]

    for room in ("cli", "server", "http", "client", "storage", "telemetry", "broker", "protocol"):
        assert f"miniqueue_py.{room}" in contracts
