"""Publish what is typed, and print what comes: two ends of one topic in one program.

python examples/echo.py [--url URL] [--ca FILE] [--topic TOPIC]
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio

from miniqueue_py import Client


async def main(url: str, ca: str, topic: str) -> None:
    async with Client(url, ca=ca) as queue, anyio.create_task_group() as tasks:
        tasks.start_soon(echo, queue, topic)
        async for line in typed_lines():
            await queue.publish(topic, line)
        tasks.cancel_scope.cancel()  # what is in flight goes back to its topic


async def echo(queue: Client, topic: str) -> None:
    async with queue.subscribe(topic) as deliveries:
        async for delivery in deliveries:
            print(delivery.text, flush=True)
            await delivery.ack()


async def typed_lines() -> AsyncIterator[str]:
    """Read the terminal in the event loop, so that deliveries come while nobody types."""
    while True:
        await anyio.wait_readable(sys.stdin)
        if not (line := sys.stdin.readline()):
            return
        yield line.rstrip("\n")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="https://localhost:8080")
    parser.add_argument("--ca", default="certs/ca.pem")
    parser.add_argument("--topic", default="echo")
    chosen = parser.parse_args()
    with suppress(KeyboardInterrupt):
        anyio.run(main, chosen.url, chosen.ca, chosen.topic)
