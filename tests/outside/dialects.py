"""A broker that speaks the other systems' APIs, each on a port of its own as well."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

from miniqueue_py.http.dialects.known import NAMES
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.server import RunningBroker, parse_fact

ON_ANY_PORT = ("-dialect", ",".join(f"{name}=0" for name in NAMES))


@contextmanager
def dialect_broker(
    directory: Path, certificates: CertificatePaths, *flags: str
) -> Iterator[RunningBroker]:
    """Run a broker with a port for each dialect, and a directory for ZapQ's snapshots."""
    snapshots = directory.parent / "snapshots"
    snapshots.mkdir(parents=True, exist_ok=True)
    more = (*ON_ANY_PORT, "-zapq-snapshots", str(snapshots), *flags)
    with RunningBroker(directory, certificates, more) as broker:
        yield broker


def dialect_url(broker: RunningBroker, name: str) -> str:
    """Where a dialect listens since the broker's last start."""
    facts = [parse_fact(line) for line in broker.log_lines()]
    (*_, url) = [
        fact["url"]
        for fact in facts
        if fact.get("event") == "dialect.listening" and fact["dialect"] == name
    ]
    assert isinstance(url, str)
    return url


def empty(broker: RunningBroker) -> None:
    """Delete every topic, with the native API."""
    for topic in json.loads(_ask(broker, "GET", "/topics"))["topics"]:
        _ask(broker, "DELETE", f"/{quote(topic['name'], safe='')}")


def _ask(broker: RunningBroker, method: str, path: str) -> bytes:
    request = Request(f"https://localhost:{broker.port}{path}", method=method)
    trust = ssl.create_default_context(cafile=str(broker.ca))
    with urlopen(request, timeout=10, context=trust) as answer:  # noqa: S310  both ours
        body: bytes = answer.read()
    return body
