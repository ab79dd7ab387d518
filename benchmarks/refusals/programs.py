"""Programs as clients: curl, nghttp, Node, and load generators by what they count."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.refusals.cases import Desk, Refusal
from benchmarks.refusals.outcomes import told

TIMEOUT = 60
_MARK = "\nstatus "
_STATUS_LINE = re.compile(r":status: ([0-9]{3})")
_NODE = Path(__file__).with_name("node_client.js")

Ask = Callable[[Desk, Refusal, int], Iterator[str]]


def by_curl(version: str) -> Ask:
    """Return what asks by curl; the version is its flag."""

    def ask(desk: Desk, refusal: Refusal, times: int) -> Iterator[str]:
        for _ in range(times):
            yield from _curl(version, desk, refusal)

    return ask


def _curl(version: str, desk: Desk, refusal: Refusal) -> Iterator[str]:
    body = desk.body(refusal.size)
    data = ("--data-binary", f"@{body}") if refusal.declares else ("-T", "-")
    command = ["curl", "-sS", version, "--cacert", str(desk.ca), "-X", refusal.method, *data]
    command += ["-H", f"content-type: {refusal.content_type}", "-w", f"{_MARK}%{{http_code}}"]
    with body.open("rb") as stdin:
        done = subprocess.run(
            [*command, "--max-time", str(TIMEOUT), desk.url(refusal)],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
    text, _, status = done.stdout.rpartition(_MARK)
    if done.returncode:
        yield f"curl ended with {done.returncode}, status {status}: {done.stderr.strip()}"
    else:
        yield told(status, text)


def by_nghttp(desk: Desk, refusal: Refusal, times: int) -> Iterator[str]:
    """Ask by nghttp, libnghttp2's own client."""
    command = ["nghttp", "-v", "-t", str(TIMEOUT), "-d", str(desk.body(refusal.size))]
    command += ["-H", f":method: {refusal.method}"]
    command += ["-H", f"content-type: {refusal.content_type}"]
    if not refusal.declares:
        command.append("--no-content-length")
    for _ in range(times):
        done = subprocess.run(
            [*command, desk.url(refusal)], capture_output=True, text=True, check=False
        )
        status = _STATUS_LINE.search(done.stdout)
        text = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or status is None:
            yield f"nghttp ended with {done.returncode}: {done.stderr.strip()}"
        else:
            yield told(status[1], "".join(text))


def by_node(module: str) -> Ask:
    """Return what asks by Node, with its module `http2` or `https`."""

    def ask(desk: Desk, refusal: Refusal, times: int) -> Iterator[str]:
        wish = {
            "module": module,
            "ca": str(desk.ca),
            "port": desk.port,
            "method": refusal.method,
            "path": refusal.path,
            "type": refusal.content_type,
            "body": str(desk.body(refusal.size)),
            "declares": refusal.declares,
            "times": times,
            "timeout": TIMEOUT * 1000,
        }
        done = subprocess.run(
            ["node", str(_NODE), json.dumps(wish)], capture_output=True, text=True, check=False
        )
        answers = done.stdout.splitlines()
        for line in answers:
            answer = json.loads(line)
            yield answer.get("error") or told(answer["status"], answer["body"])
        for _ in range(times - len(answers)):
            yield f"node ended with {done.returncode}: {done.stderr.strip()[-200:]}"

    return ask


def by_h2load(*flags: str) -> Ask:
    """Return what asks by h2load, and believes its sums: of the answers it has no more."""

    def ask(desk: Desk, refusal: Refusal, times: int) -> Iterator[str]:
        command = ["h2load", *flags, "-n", str(times), "-c", "2", "-m", "1", "-T", str(TIMEOUT)]
        command += ["-d", str(desk.body(refusal.size)), "-H", f":method: {refusal.method}"]
        command += ["-H", f"content-type: {refusal.content_type}"]
        done = subprocess.run(
            [*command, desk.url(refusal)], capture_output=True, text=True, check=False
        )
        counted = re.search(r"([0-9]+) done, .* ([0-9]+) failed, ([0-9]+) errored", done.stdout)
        statuses = re.search(r"([0-9]+) 4xx, 0 5xx", done.stdout)
        if counted is None or statuses is None:
            yield from [f"h2load counted nothing: {done.stdout[-300:]!r}"] * times
            return
        # A 4xx is among those that failed; those that errored got no answer.
        read = min(int(counted[1]) - int(counted[3]), int(statuses[1]))
        yield from [f"{refusal.status}"] * read
        yield from [f"h2load: {counted[0]}, {statuses[0]}"] * (times - read)

    return ask


def by_wrk(desk: Desk, refusal: Refusal, times: int) -> Iterator[str]:
    """Ask by wrk for a second over one connection; it keeps that, and counts what was no 2xx."""
    script = desk.bodies / "wrk.lua"
    script.write_text(
        f'wrk.method = "{refusal.method}"\n'
        f'wrk.body = io.open("{desk.body(refusal.size)}"):read("*all")\n'
        f'wrk.headers["Content-Type"] = "{refusal.content_type}"\n'
    )
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", "1", "-d", "1s", "-s", str(script), desk.url(refusal)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    asked = re.search(r"([0-9]+) requests in", done.stdout)
    refused = re.search(r"Non-2xx or 3xx responses: ([0-9]+)", done.stdout)
    is_whole = asked and refused and asked[1] == refused[1] and "Socket errors" not in done.stdout
    if is_whole and int(asked[1] if asked else 0) > 0:
        yield from [f"{refusal.status}"] * times
    else:
        yield from [f"wrk: {done.stdout[-300:]!r}"] * times


def is_installed(program: str) -> bool:
    return not program or shutil.which(program) is not None
