"""A report on the terminal and on a page."""

from pathlib import Path

import pytest

from benchmarks.peers.report import Failure, Report
from benchmarks.peers.tables import BEGIN, END, render, write_page
from tests.benchmarks.samples import report


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """Return the cells of each row of the table under a heading."""
    section = text.partition(f"### {heading}")[2].partition("###")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_a_table_shows_ours_as_a_multiple_of_each_other_with_the_spread() -> None:
    table = rows(render(report()), "Ours with `-fsync always`")

    assert table["work"] == ["MiniQueue (Go)", "Redis"]
    assert table["consume + ACK, lock-step, 1 consumer"] == [
        "**0.50** (0.50 - 0.50)",
        "**0.40** (0.40 - 0.40)",
    ]
    assert "latency at 100/s, p50 (less is better)" in table


def test_what_matters_most_comes_first_with_both_policies() -> None:
    text = render(report())

    assert text.index("### In short") < text.index("### Ours with")
    assert rows(text, "In short")["consume + ACK, lock-step, 1 consumer"] == [
        "MiniQueue (Go)",
        "**0.25** (0.25 - 0.25)",
        "**0.50** (0.50 - 0.50)",
    ]


def test_a_table_shows_ours_as_a_multiple_of_ours_before_under_the_same_policy() -> None:
    table = rows(render(report()), "Ours, as a multiple of ours before")

    assert table["work"] == ["`-fsync never`"]
    assert table["ZapQ, enqueue, over 100 connections"] == ["**0.33** (0.33 - 0.33)"]


def test_a_table_shows_how_ours_goes_with_more() -> None:
    table = rows(render(report()), "Ours with more topics")

    assert list(table)[2:4] == ["publish 12x10, topics: 200", "publish 12x10, topics: 10,000"]
    assert table["publish 12x10, topics: 10,000"][:2] == [
        "publish 12x10, topics: 1",
        "**2.00** (2.00 - 2.00)",
    ]
    assert table["lock-step, waiting: 1,000,000"][0] == "lock-step, waiting: 0"


def test_each_load_generator_is_told_with_its_share() -> None:
    table = rows(render(report()), "Load generator / server")

    assert table["publish, 12 connections x 1"] == ["own"] + ["25 / 75"] * 5


def test_who_took_part_who_did_not_and_what_failed_is_told() -> None:
    told = report()
    told.left_out["RabbitMQ"] = "apt-get install rabbitmq-server"
    told.failures.append(Failure(2, "Redis", "stream", "refused"))

    text = render(told)

    assert rows(text, "Who took part")["Redis"][:2] == ["7.0", "appendonly yes"]
    assert "Left out: RabbitMQ (apt-get install rabbitmq-server)." in text
    assert "Failed in run 2: Redis, stream: `refused`" in text


def test_a_report_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    told = report()
    told.failures.append(Failure(2, "Redis", "stream", "refused"))

    told.write(tmp_path / "kept.json")

    assert Report.read(tmp_path / "kept.json") == told


def test_a_page_gets_the_tables_between_its_markers_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_page(page, report())
    write_page(page, report())

    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\nCommit 0123456789ab, ")
    assert text.endswith(f"\n{END}\nafter\n")
    assert text.count("### Medians") == 1
    assert "old" not in text


def test_a_page_shows_the_pictures_from_where_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")

    write_page(page, report(), [tmp_path / "pictures" / "growth.png"])

    assert f"{BEGIN}\n\n![growth](pictures/growth.png)\n\nCommit " in page.read_text()


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing to fill\n")

    with pytest.raises(SystemExit, match="has no lines"):
        write_page(page, report())

    assert page.read_text() == "nothing to fill\n"
