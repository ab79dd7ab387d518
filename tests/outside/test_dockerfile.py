"""The image, as far as that can be told without an engine that builds it.

Its install step runs in a plain virtual environment, on a copy of what COPY
copies; its entry point runs with the words of `docker run` in docs/operating.md. The
paths of the image are those of a directory.
"""

import http.client
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit

import pytest

from miniqueue_py.tls.certificates import make_certificates
from tests.outside.absence import absent

pytestmark = pytest.mark.timeout(600)

PROJECT = Path(__file__).resolve().parents[2]
INSTALL_SECONDS = 420
START_SECONDS = 20

KNOWN = {
    "FROM",
    "RUN",
    "WORKDIR",
    "COPY",
    "ENV",
    "VOLUME",
    "EXPOSE",
    "USER",
    "HEALTHCHECK",
    "ENTRYPOINT",
}
REGISTRY_IS_AWAY = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|name resolution|Network is unreachable"
)


class Instruction(NamedTuple):
    word: str
    rest: str


class Image:
    """A directory that stands for the image's file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MINIQUEUE_")
        }
        self.environment["PATH"] = f"{root / 'venv/bin'}:{os.environ['PATH']}"
        self.environment.pop("PYTHONPATH", None)

    def place(self, path: str) -> Path:
        """Where a path of the image is."""
        return self.root / path.lstrip("/") if path.startswith("/") else self.directory / path

    def mapped(self, word: str) -> str:
        return str(self.place(word)) if word.startswith("/") else word

    def program(self, name: str) -> str:
        return str(self.root / "venv/bin" / name)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    root = tmp_path_factory.mktemp("image")
    image = Image(root)
    run([sys.executable, "-m", "venv", str(root / "venv")], image)
    for word, rest in instructions():
        match word:
            case "WORKDIR":
                image.directory = image.place(rest)
                image.directory.mkdir(parents=True, exist_ok=True)
            case "COPY":
                copy(rest.split(), image)
            case "ENV":
                name, _, value = rest.partition("=")
                image.environment[name] = image.mapped(value)
            case "RUN" if rest.startswith("pip "):
                run(["/bin/sh", "-c", rest], image)
            case "RUN":
                assert rest.startswith("useradd "), "a step that this test does not know"
    return image


def test_every_instruction_is_known() -> None:
    assert {word for word, _ in instructions()} <= KNOWN
    assert instructions()[0].word == "FROM"
    assert any(rest.startswith("pip install") for rest in values("RUN"))


def test_the_broker_is_not_root() -> None:
    user, _, _ = values("USER")[-1].partition(":")

    # A number, because Kubernetes cannot tell that a name is not root's.
    assert int(user) > 0


def test_messages_are_in_a_volume_and_the_entry_point_is_the_program() -> None:
    assert values("VOLUME") == ["/var/lib/miniqueue"]
    assert values("ENV") == ["MINIQUEUE_DB=/var/lib/miniqueue", "MINIQUEUE_HOST=*"]
    assert values("ENTRYPOINT") == ['["miniqueue"]']
    assert len(values("HEALTHCHECK")) == 1


def test_the_volume_and_the_mount_point_belong_to_the_user() -> None:
    making = next(rest for rest in values("RUN") if rest.startswith("useradd"))
    words = shlex.split(making)

    assert words[words.index("--owner") + 1] == values("USER")[-1].partition(":")[0]
    assert words[-2:] == ["/etc/miniqueue/certs", "/var/lib/miniqueue"]


def test_the_context_holds_what_is_copied_and_no_more() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    sources = [source.rstrip("/") for rest in values("COPY") for source in rest.split()[:-1]]

    assert "*" in lines
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(sources)


def test_the_documented_docker_line_serves_and_is_healthy(image: Image) -> None:
    certificates = make_certificates(image.place("/etc/miniqueue/certs"))
    words = [image.mapped(word) for word in documented_arguments()]

    with running(image, [*words, "-host", "127.0.0.1", "-port", "0"]) as port:
        trusting = ssl.create_default_context(cafile=certificates.authority)
        broker = http.client.HTTPSConnection("localhost", port, timeout=10, context=trusting)
        broker.request("POST", "/publish/foo", b"helloworld")
        assert broker.getresponse().status == 201
        broker.close()
        assert health(image, port) == 0
        assert any(image.place("/var/lib/miniqueue").iterdir())

    assert health(image, port) == 1


def test_without_words_it_makes_its_own_certificate(image: Image) -> None:
    shutil.rmtree(image.place("/etc/miniqueue/certs"), ignore_errors=True)

    with running(image, ["-human", "-host", "127.0.0.1", "-port", "0"]) as port:
        assert health(image, port) == 0

    assert image.place("/etc/miniqueue/certs/ca.pem").is_file()


def instructions() -> list[Instruction]:
    """The Dockerfile without comments, one item an instruction."""
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    code = "\n".join(line for line in lines if line and not line.startswith("#"))
    joined = code.replace("\\\n", "")
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


def values(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


def documented_arguments() -> list[str]:
    """What the `docker run` of docs/operating.md hands to the entry point."""
    page = (PROJECT / "docs" / "operating.md").read_text()
    found = re.search(r"^docker run .*\n(?:  .*\n)*", page, re.MULTILINE)
    assert found is not None, "the page shows no docker run"
    words = shlex.split(found[0].replace("\\\n", " "))
    return words[words.index("miniqueue") + 1 :]


def copy(words: list[str], image: Image) -> None:
    *sources, target = words
    for source in sources:
        origin = PROJECT / source
        if origin.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(origin, image.place(target), ignore=ignored)
        else:
            shutil.copy(origin, image.place(target))


def run(command: list[str], image: Image) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=image.directory,
            env=image.environment,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        absent(f"no package registry answered within {INSTALL_SECONDS} s")
    if done.returncode and REGISTRY_IS_AWAY.search(done.stderr + done.stdout):
        absent("no package registry can be reached")
    assert done.returncode == 0, done.stdout + done.stderr


def health(image: Image, port: int) -> int:
    """What the HEALTHCHECK command exits with."""
    _, _, command = values("HEALTHCHECK")[0].partition("CMD ")
    name, *words = json.loads(command)
    return subprocess.run(
        [image.program(name), *words],
        env=image.environment | {"MINIQUEUE_PORT": str(port)},
        stderr=subprocess.DEVNULL,
        timeout=START_SECONDS,
        check=False,
    ).returncode


@contextmanager
def running(image: Image, words: list[str]) -> Iterator[int]:
    """Run the entry point with these words; give its port."""
    (entry_point,) = json.loads(values("ENTRYPOINT")[0])
    process = subprocess.Popen(
        [image.program(entry_point), *words],
        cwd=image.directory,
        env=image.environment,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=collect, args=(process.stderr, lines), daemon=True)
    reader.start()
    try:
        yield listening_port(process, lines)
    finally:
        process.terminate()
        try:
            assert process.wait(timeout=START_SECONDS) == 0, "".join(lines)
        finally:
            process.kill()
            reader.join(timeout=START_SECONDS)
            process.stderr.close()


def collect(stderr: IO[str], lines: list[str]) -> None:
    for line in stderr:
        lines.append(line)  # noqa: PERF402 - each is looked at as soon as it is there


def listening_port(process: subprocess.Popen[str], lines: list[str]) -> int:
    """Wait for the `broker.listening` line, as -human writes it."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in list(lines):
            if "broker.listening" in line and (url := re.search(r"\burl=(\S+)", line)):
                return urlsplit(url[1]).port or 0
        time.sleep(0.05)
    raise AssertionError(f"the broker does not listen:\n{''.join(lines)}")
