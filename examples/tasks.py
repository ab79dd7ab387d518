"""A task queue: post what is to be done, and let `miniqueue work` do it.

miniqueue work tasks:handlers --app-dir examples --concurrency 8
python examples/tasks.py [--url URL] [--ca FILE] email-notification user@example.com
curl --cacert certs/ca.pem -d '{"type": "resize", "payload": {"file": "a.jpg", "width": 360}}' \
    https://localhost:8080/tasks/task

https://localhost:8080/tasks/ shows how it goes. A function that raises is called again
after 1, 2 and 4 seconds; then `miniqueue redrive tasks.dead` brings the task back.
"""

import argparse
import json
import ssl
import time
from dataclasses import dataclass
from urllib.request import urlopen

import anyio

from miniqueue_py import Delivery, Reject


@dataclass
class Picture:
    file: str
    width: int = 360


async def send(to: str, delivery: Delivery) -> None:
    """Share one loop with the others, as each `async def` does."""
    if "@" not in to:
        raise Reject("an address has an @")  # never: a dead letter at once
    if to.endswith("@busy.example") and delivery.attempt == 1:
        raise ConnectionError("their server is busy")  # again, in a second
    await anyio.sleep(0.1)  # here it would be sent
    print(f"sent to {to}", flush=True)


def resize(picture: Picture) -> None:
    """Block, in a thread: each plain `def` has one."""
    time.sleep(0.1)  # here a library would compute
    print(f"{picture.file} is {picture.width} wide", flush=True)


handlers = {"email-notification": send, "resize": resize}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="https://localhost:8080")
    parser.add_argument("--ca", default="certs/ca.pem")
    parser.add_argument("type")
    parser.add_argument("payload")
    given = parser.parse_args()
    task = json.dumps({"type": given.type, "payload": given.payload}).encode()
    trusted = ssl.create_default_context(cafile=given.ca)
    with urlopen(f"{given.url}/tasks/task", task, context=trusted) as answer:  # noqa: S310  our own
        print(json.load(answer)["task_id"])
