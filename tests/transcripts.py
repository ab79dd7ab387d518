"""The shell examples of a document, run, and what they print beside what it says.

A `console` block is a session: `$` before a command, `>` before its further
lines, and what it prints. A `sh` block is one command; what it prints stands in
the `json` block right behind it, if the document shows it. All of a document
runs in one shell, from top to bottom.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

PATIENCE = 120.0
"""Seconds for a whole document; many of its commands sleep."""

_BLOCK = re.compile(
    r"^```(console|sh)\n(.*?)\n```$(?:\n\n```json\n(.*?)\n```$)?", re.MULTILINE | re.DOTALL
)
_COMMAND = re.compile(r"^\$ (.*(?:\n> .*)*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)
_DIFFERS = (
    (re.compile(r"\b1[0-9]{12}\b"), "<ms>"),
    (re.compile(r'"oldestAgeSeconds":[0-9.]+'), '"oldestAgeSeconds":<s>'),
    (re.compile(r'"receipt":"[\w-]+"'), '"receipt":"<receipt>"'),
)
"""What is another each time."""

_END = "\x1e"


class Example(NamedTuple):
    command: str
    output: str | None
    """None where the document does not say."""


class Ran(NamedTuple):
    example: Example
    printed: str

    @property
    def is_as_told(self) -> bool:
        told = self.example.output
        if told is None:
            return True
        parts = (re.escape(_without_differences(part)) for part in told.split("..."))
        return re.fullmatch(".*".join(parts), _without_differences(self.printed)) is not None


def examples(document: str) -> Iterator[Example]:
    for kind, block, output in _BLOCK.findall(document):
        if kind == "sh":
            yield Example(block, output or None)
            continue
        for command, told in _COMMAND.findall(block):
            yield Example(command.replace("\n> ", "\n"), told.rstrip("\n"))


def run(commands: Sequence[Example], directory: Path, port: int) -> list[Ran]:
    """Run examples in one shell; what they write on stderr is nobody's promise.

    `miniqueue` is the one beside the Python that runs this.
    """
    script = "".join(f"{example.command}\nprintf '{_END}'\n" for example in commands)
    done = subprocess.run(
        ["bash", "-c", script.replace("localhost:8080", f"localhost:{port}")],
        cwd=directory,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    outputs = done.stdout.split(_END)[:-1]
    return [
        Ran(example, output.rstrip("\n")) for example, output in zip(commands, outputs, strict=True)
    ]


def _without_differences(text: str) -> str:
    for pattern, stand_in in _DIFFERS:
        text = pattern.sub(stand_in, text)
    return text
