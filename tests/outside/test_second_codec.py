"""Where ngh2 has no wheel h2 speaks HTTP/2, slower and no different: this suite's core on it."""

import os
import subprocess
import sys

import pytest

from tests.outside.server import PROJECT, StartBroker, parse_fact

CORE = [
    "test_publish.py",
    "test_subscribe.py",
    "test_commands.py",
    "test_settling.py",
    "test_credit.py",
    "test_batch.py",
    "test_disconnects.py",
    "test_lengths.py",
    "test_guards.py",
    "test_shutdown.py",
]
LONG_SECONDS = 280


def test_the_core_of_the_suite_holds_on_h2() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-x"]
    finished = subprocess.run(
        [*command, *(f"tests/outside/{name}" for name in CORE)],
        cwd=PROJECT,
        env={**os.environ, "MINIQUEUE_HTTP2": "h2"},
        timeout=LONG_SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout[-5000:]


def test_the_broker_says_which_codec_it_has(
    start_broker: StartBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIQUEUE_HTTP2", "h2")

    facts = [parse_fact(line) for line in start_broker().log_lines()]

    assert [fact["http2"] for fact in facts if fact.get("event") == "broker.listening"] == ["h2"]
