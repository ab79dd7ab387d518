"""A broker with a file of tokens, as its users run it."""

import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.secrets import digest_of, new_secret
from miniqueue_py.http.access.token_file import add_token
from miniqueue_py.http.access.token_line import TokenLine
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.server import PROJECT, RunningBroker, StartBroker, parse_fact

PATIENCE = 5.0


def admit(path: Path, name: str, *publish: str) -> str:
    secret = new_secret()
    principal = Principal(name=name, scopes={"publish": publish, "inspect": ("*",)})
    add_token(path, TokenLine(principal, digest_of(secret.encode())))
    return secret


def wait_line(broker: RunningBroker, event: str) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for fact in map(parse_fact, broker.log_lines()):
            if fact.get("event") == event:
                return fact
        time.sleep(0.02)
    raise AssertionError(f"{event} is not in the log: {broker.log_lines()}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "# fine\nci sha256=no\n",
            "2: has a sha256= that is not 64 digits of lower-case hexadecimal",
        ),
        ("ci\n", "1: has no sha256=; `miniqueue token new` makes one"),
    ],
)
def test_a_broken_file_is_told_in_a_line_with_its_number(
    tmp_path: Path, certificates: CertificatePaths, text: str, problem: str
) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(0o600)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "miniqueue_py", "-tokens", str(path), "-db", "memory:"),
            *("-cert", str(certificates.certificate), "-key", str(certificates.key)),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "MINIQUEUE_PORT": "0"},
    )

    assert done.returncode == 2
    assert done.stderr == f"miniqueue: -tokens: {path}:{problem}\n"
    assert done.stdout == ""


def test_a_signal_or_a_change_has_the_file_read_and_the_broker_goes_on(
    start_broker: StartBroker, tmp_path: Path, certificates: CertificatePaths
) -> None:
    path = tmp_path / "tokens"
    first = admit(path, "first", "orders")
    broker = start_broker("-tokens", str(path))
    url = f"https://localhost:{broker.port}"
    with httpx.Client(
        verify=ssl.create_default_context(cafile=certificates.authority), base_url=url
    ) as http:

        def status(secret: str | None, target: str = "/publish/orders") -> int:
            headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
            return http.post(target, content=b"x", headers=headers).status_code

        assert [status(first), status(first, "/publish/emails"), status(None)] == [201, 403, 401]
        os.kill(broker.pid, signal.SIGHUP)
        assert wait_line(broker, "access.reloaded")["tokens"] == 1
        second = admit(path, "second", "*")
        deadline = time.monotonic() + PATIENCE
        while status(second) != 201 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [status(first), status(second, "/publish/emails")] == [201, 201]
        path.write_text("what is this\n")
        assert str(path) in str(wait_line(broker, "access.not_reloaded")["problem"])
        assert status(second) == 201
        metrics = http.get("/metrics", headers={"authorization": f"Bearer {second}"}).text
    assert 'miniqueue_access_reloads_total{outcome="failed"} 1.0' in metrics
    log = "\n".join(broker.log_lines())
    assert first not in log
    assert second not in log
    broker.terminate()
    assert broker.wait() == 0


def test_a_dialects_port_in_clear_asks_for_the_token_too(
    start_broker: StartBroker, tmp_path: Path
) -> None:
    path = tmp_path / "tokens"
    secret = admit(path, "zapq", "zapq")
    broker = start_broker("-tokens", str(path), "-dialect", "zapq=0")
    url = next(
        fact["url"]
        for fact in map(parse_fact, broker.log_lines())
        if fact.get("event") == "dialect.listening"
    )
    with httpx.Client(base_url=url) as http:
        refused = http.post("/enqueue", content=b"x")
        headers = {"authorization": f"Bearer {secret}"}
        taken = http.post("/enqueue", content=b"x", headers=headers)
        lacking = http.get("/dequeue", headers=headers)

    assert (refused.status_code, taken.status_code, lacking.status_code) == (401, 202, 403)
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.text == "this needs a token, and none came; send Authorization: Bearer TOKEN\n"
