"""The `miniqueue` command as it is typed: with any flags, variables and directory."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.outside.server import PROJECT, parse_fact

START_SECONDS = 20.0


def refusal(words: Sequence[str], directory: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run a command that must refuse; give its one line, without the program's name."""
    done = subprocess.run(
        [sys.executable, "-m", "miniqueue_py", *words],
        cwd=directory,
        env=_environment(environ or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if not parse_fact(line)]
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(told) == 1, done.stderr
    program, _, sentence = told[0].partition(": ")
    assert program == "miniqueue"
    return sentence


@contextmanager
def listening(
    words: Sequence[str], directory: Path, environ: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a broker; give the line with which it says that it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "miniqueue_py", *words],
        cwd=directory,
        env=_environment(environ or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "broker.listening" in line:
                break
        else:
            raise AssertionError(f"the broker does not listen:\n{''.join(said)}")
        watchdog.cancel()
        yield said[-1]
        process.terminate()
        rest = process.communicate(timeout=START_SECONDS)[1]
        assert process.returncode == 0, rest
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MINIQUEUE_")}
    return kept | {"PYTHONPATH": str(PROJECT)} | dict(more)
