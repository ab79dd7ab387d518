"""Proxies in front of a broker, with the settings of docs/operating.md.

What is replaced in them are ports and paths, and each must be there to be
replaced: so the page is what was tried.
"""

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.absence import absent
from tests.outside.server import PROJECT
from tests.outside.stream import PATIENCE

PAGE = PROJECT / "docs" / "operating.md"
_BLOCK = re.compile(r"^```(nginx|haproxy)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_AROUND_NGINX = """\
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{settings}
}}
"""


class Kind(NamedTuple):
    """Settings of the page."""

    name: str
    program: str
    settings: str


def kinds() -> dict[str, Kind]:
    """Return the settings that the page has, by what they are called here."""
    names = ("nginx grpc_pass", "nginx proxy_pass", "haproxy")
    blocks = _BLOCK.findall(PAGE.read_text())
    return {name: Kind(name, *block) for name, block in zip(names, blocks, strict=True)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_proxy(
    kind: Kind,
    broker_port: int,
    certificates: CertificatePaths,
    directory: Path,
    more: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a proxy in front of a broker; yield its port. `more` is replaced, too."""
    program = shutil.which(kind.program) or shutil.which(kind.program, path="/usr/sbin")
    if program is None:
        absent(f"{kind.program} is not installed")
    directory.mkdir()
    port = free_port()
    both = directory / "both.pem"
    both.write_text(certificates.certificate.read_text() + certificates.key.read_text())
    words = {
        "127.0.0.1:8080": f"127.0.0.1:{broker_port}",
        "/etc/miniqueue/certs/ca.pem": str(certificates.authority),
        **(more or {}),
    }
    if kind.program == "nginx":
        words["listen 443 "] = f"listen 127.0.0.1:{port} "
        words["/etc/nginx/queue.pem"] = str(certificates.certificate)
        words["/etc/nginx/queue-key.pem"] = str(certificates.key)
    else:
        words["bind :443 "] = f"bind 127.0.0.1:{port} "
        words["/etc/haproxy/queue.pem"] = str(both)
    settings = kind.settings
    for word, instead in words.items():
        assert word in settings, f"the page does not say {word}"
        settings = settings.replace(word, instead)
    with _running(program, kind.program, settings, directory, port):
        yield port


@contextmanager
def _running(path: str, program: str, settings: str, directory: Path, port: int) -> Iterator[None]:
    file, log = directory / "settings", directory / "log"
    if program == "nginx":
        file.write_text(_AROUND_NGINX.format(directory=directory, settings=settings))
        command = [path, "-p", str(directory), "-c", str(file), "-e", "stderr"]
    else:
        file.write_text(settings)
        command = [path, "-db", "-f", str(file)]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
    try:
        _wait_until_open(process, port, log)
        yield
    finally:
        process.kill()
        process.wait()


def _wait_until_open(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise AssertionError(f"the proxy does not listen: {log.read_text()}")
