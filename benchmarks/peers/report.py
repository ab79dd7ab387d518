"""What a run found: kept as JSON, with the machine and the commit it was found on."""

import json
import os
import platform
import ssl
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers.reduce import Figures
from benchmarks.peers.sample import Sample


@dataclass(frozen=True)
class Contestant:
    """Who took part, with its settings in words."""

    name: str
    version: str
    settings: str
    batch: str = ""
    cannot: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A work that came to no figure."""

    run: int
    contestant: str
    work: str
    text: str


@dataclass
class Report:
    machine: dict[str, Any]
    commit: str
    started: str
    scale: dict[str, Any]
    contestants: list[Contestant] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @classmethod
    def begin(cls, commit: str, scale: dict[str, Any]) -> "Report":
        started = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(machine_facts(), commit, started, scale)

    @classmethod
    def read(cls, path: Path) -> "Report":
        told = json.loads(path.read_text())
        told["contestants"] = [Contestant(**each) for each in told["contestants"]]
        told["samples"] = [Sample(**each) for each in told["samples"]]
        told["failures"] = [Failure(**each) for each in told["failures"]]
        return cls(**told)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    def figures(self) -> Figures:
        return Figures(self.samples)

    def runs(self) -> int:
        return len({sample.run for sample in self.samples})


def machine_facts() -> dict[str, Any]:
    """Return what figures depend on, and nothing that tells whose machine it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
