"""What a broker says to somebody who looks at it, once it listens."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0


@pytest.mark.parametrize(
    ("flags", "are_told"), [(["-human"], True), ([], False)], ids=["human", "json"]
)
def test_what_to_type_names_the_port_that_it_listens_on(
    flags: list[str], *, are_told: bool, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "MINIQUEUE_PORT": "0"}
    command = [sys.executable, "-m", "miniqueue_py", "-host", "127.0.0.1", "-db", "memory:"]
    with subprocess.Popen(
        [*command, *flags], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as broker:
        try:
            assert broker.stderr is not None
            listening = next(line for line in broker.stderr if "broker.listening" in line)
        finally:
            broker.send_signal(signal.SIGTERM)
        rest = broker.stderr.read()
        assert broker.wait(PATIENCE) == 0

    urls = set(re.findall(r"https://[\w.]+:\d+", rest))
    assert urls == (set(re.findall(r"https://[\w.]+:\d+", listening)) if are_told else set())
    assert ("--cacert certs/ca.pem" in rest) is are_told
