"""ZapQ on memory with a directory for its snapshots, and who asks it for them."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

from miniqueue_py.broker.admission import Limits
from miniqueue_py.http.dialects.zapq.dialect import Zapq
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.desk import Booth
from tests.http.exchanges import Exchange

OLD = [b"old 1", b"old 2"]

MOST_BYTES = 1 << 23


def open_zapq(
    snapshots: Path | None, limits: Limits | None = None, *, max_msgs: int = 50_000
) -> Booth:
    zapq = Zapq(snapshots=snapshots, max_msgs=max_msgs, max_bytes=MOST_BYTES)
    booth = Booth("zapq", ManualClock(), limits=limits or Limits(), of_dialects=[zapq])
    assert booth.app, "as when a broker starts: drafts go"
    return booth


async def persist(booth: Booth, name: str = "queue.json") -> Exchange:
    return await booth.ask("POST", f"/persist?file={quote(name, safe='')}")


async def load(booth: Booth, name: str = "queue.json") -> Exchange:
    return await booth.ask("POST", f"/load?file={quote(name, safe='')}")


def expect_refused(answer: Exchange, status: int) -> str:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    text = answer.body.decode()
    assert text.endswith("\n")
    assert len(text.split()) > 3
    return text


def encoded(*bodies: bytes) -> str:
    return json.dumps([base64.b64encode(body).decode() for body in bodies])


def everything_below(path: Path) -> dict[str, bytes | None]:
    return {
        str(each.relative_to(path)): each.read_bytes() if each.is_file() else None
        for each in path.rglob("*")
    }


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())
