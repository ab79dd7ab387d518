"""Load a file into a topic: a message for each line, or for each row of a CSV file, as JSON.

python examples/bulk_load.py FILE [--url URL] [--ca FILE] [--topic TOPIC]
"""

import csv
import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from miniqueue_py import SyncClient, SyncPublisher

SHOW_SECONDS = 0.2


def main(url: str, ca: str, topic: str, path: Path) -> None:
    size = path.stat().st_size
    publishing = SyncClient(url, ca=ca)
    with path.open("rb") as file, publishing as queue, queue.publisher(topic) as publisher:
        shown_at = monotonic()
        for body in bodies(file, is_csv=path.suffix == ".csv"):
            publisher.send(body)
            if monotonic() - shown_at > SHOW_SECONDS:
                shown_at = monotonic()
                show(publisher, file.tell() / size)
        publisher.flush()  # all are stored when it returns
        show(publisher, 1)
    print(f"{publisher.confirmed:,} messages are stored in {topic!r}")


def bodies(file: BinaryIO, *, is_csv: bool) -> Iterator[bytes | str]:
    if is_csv:
        yield from map(json.dumps, csv.DictReader(line.decode() for line in file))
    else:
        yield from (line.rstrip(b"\r\n") for line in file)


def show(publisher: SyncPublisher, part: float) -> None:
    if sys.stderr.isatty():
        counts = f"\r{part:4.0%}  {publisher.sent:,} sent, {publisher.confirmed:,} confirmed"
        print(counts, end="\n" if part == 1 else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", default="https://localhost:8080")
    parser.add_argument("--ca", default="certs/ca.pem")
    parser.add_argument("--topic", default="bulk")
    chosen = parser.parse_args()
    with suppress(KeyboardInterrupt):
        main(chosen.url, chosen.ca, chosen.topic, chosen.file)
