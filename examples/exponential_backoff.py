"""A consumer that fails, and sets its message aside for longer each time.

A worker does this by itself, see workers.py; here it is done by hand.
"""

import argparse
from contextlib import suppress

import anyio

from miniqueue_py import Client

FIRST_SECONDS = 1
LONGEST_SECONDS = 60


async def main(url: str, ca: str, failures: int) -> None:
    async with Client(url, ca=ca) as queue:
        await queue.publish("flaky", "hello")
        async with queue.subscribe("flaky", credit=1) as deliveries:
            async for delivery in deliveries:
                # The broker counts how often a message was set aside, and keeps the count.
                failed_before = delivery.dack_count
                if failed_before >= failures:
                    await delivery.ack()
                    print(f"{delivery.text}: done")
                    return
                seconds = min(FIRST_SECONDS * 2**failed_before, LONGEST_SECONDS)
                await delivery.dack(seconds)
                print(f"{delivery.text}: failed, again in {seconds} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="https://localhost:8080")
    parser.add_argument("--ca", default="certs/ca.pem")
    parser.add_argument("--failures", type=int, default=4, help="how often it fails [4]")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        anyio.run(main, options.url, options.ca, options.failures)
