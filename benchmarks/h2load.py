"""nghttp2's own load generator, when it is there: a client nobody suspects."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.figures import Figures, Plan

_GRACE_SECONDS = 20


def find_h2load() -> str | None:
    return shutil.which("h2load")


def h2load_publish(program: str, port: int, topic: str, plan: Plan) -> Figures:
    """Publish ten bytes a request for some seconds."""
    with tempfile.TemporaryDirectory() as directory:
        body, log = Path(directory, "body"), Path(directory, "log")
        body.write_bytes(b"0123456789")
        command = [program, "-c", str(plan.connections), "-m", str(plan.lanes)]
        command += ["-D", str(plan.seconds)]
        command += ["-d", str(body), f"--log-file={log}"]
        command.append(f"https://127.0.0.1:{port}/publish/{topic}")
        subprocess.run(
            command, check=True, capture_output=True, timeout=plan.seconds + _GRACE_SECONDS
        )
        lines = [line.split() for line in log.read_text().splitlines()]
    refused = [status for _, status, _ in lines if status != "201"]
    if refused:
        raise RuntimeError(f"{len(refused)} of {len(lines)} publishes answered {refused[0]}")
    latencies = [int(microseconds) / 1e6 for _, _, microseconds in lines]
    return Figures(f"publish {plan}", len(lines), plan.seconds, latencies)
