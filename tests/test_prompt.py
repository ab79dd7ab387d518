"""What the pages say can be pasted into `python -m asyncio` is taken there."""

import ast
from codeop import CommandCompiler
from pathlib import Path

import pytest

from tests.snippets import snippets

PROJECT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("page", ["README.md", "docs/client.md"])
def test_the_first_client_of_a_page_can_be_pasted_at_a_prompt(page: str) -> None:
    document = (PROJECT / page).read_text()

    text = next(each.text for each in snippets(document) if "async with Client(" in each.text)

    assert "pasted into `python -m asyncio`" in document[: document.index(text)]
    paste(text)


def paste(text: str) -> None:
    """Compile it as a prompt does, which takes a line at a time."""
    compiler, begun = CommandCompiler(), list[str]()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for line in [*text.splitlines(), ""]:
        begun.append(line)
        if compiler("\n".join(begun)) is not None:
            begun.clear()
    assert not begun
