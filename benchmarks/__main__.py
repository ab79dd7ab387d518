"""Measure a broker, or hurt one: each work says more behind -h.

peers: beside other brokers, in one run. attacks: what two lawful clients notice of
an attacker. refusals: which clients read them. soak: minutes of random faults.
libraries: LevelDB and RocksDB beside each other. timing: what the time of an
answer tells about a token.
"""

import argparse
import sys

from benchmarks import libraries, refusals, soak, token_timing
from benchmarks.attacks import main as attacks
from benchmarks.peers import command

_WORKS = {
    "peers": command.main,
    "attacks": attacks.main,
    "refusals": refusals.main,
    "soak": soak.main,
    "libraries": libraries.main,
    "timing": token_timing.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("work", choices=_WORKS)
    arguments = parser.parse_args(sys.argv[1:2])
    _WORKS[arguments.work](sys.argv[2:])


if __name__ == "__main__":
    main()
