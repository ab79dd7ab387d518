"""Functions that work on topics, in one process. Ctrl-C and SIGTERM let them finish.

python examples/workers.py
curl --cacert certs/ca.pem -d '{"to": "me@example.com"}' https://localhost:8080/publish/emails
curl --cacert certs/ca.pem -d 'holiday.jpg' https://localhost:8080/publish/pictures
"""

import argparse
import logging
import time
from dataclasses import dataclass

import anyio

from miniqueue_py import Delivery, Reject, Retry, Worker

parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
parser.add_argument("--url", default="https://localhost:8080")
parser.add_argument("--ca", default="certs/ca.pem")
options = parser.parse_args()

log = logging.getLogger("workers")
worker = Worker(options.url, ca=options.ca)


@dataclass
class Email:
    to: str
    text: str = "Hello!"


@worker.handles("emails", concurrency=8)
async def send(email: Email, delivery: Delivery) -> None:
    """Eight at a time, in the event loop. A body that is no Email never comes here."""
    if "@" not in email.to:
        raise Reject("an address has an @")  # a dead letter, in the topic emails.dead
    if email.to.endswith("@busy.example") and delivery.dack_count == 0:
        raise Retry(after=1)  # their server asked us to come again
    await anyio.sleep(0.1)  # here it would be sent
    log.info("sent %r to %s", email.text, email.to)


@worker.handles("pictures", concurrency=2, lease=30)
def shrink(path: str) -> None:
    """Two at a time, in threads. Should this process hang, others have them after 30 s."""
    time.sleep(0.5)  # here a library would compute
    log.info("shrank %s", path)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    worker.run()
