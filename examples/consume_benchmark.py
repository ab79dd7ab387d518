"""How many messages a second: publish many, then take and acknowledge each.

python examples/consume_benchmark.py [--url URL] [--ca FILE] [--messages N] [--size BYTES]
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from secrets import token_hex
from time import perf_counter

import anyio

from miniqueue_py import Client


async def main(url: str, ca: str, messages: int, size: int, credit: int) -> None:
    topic = f"benchmark-{token_hex(4)}"
    async with Client(url, ca=ca) as queue:
        try:
            begin = perf_counter()
            async with queue.publisher(topic) as publisher:
                await publisher.send_many([b"x" * size] * messages)
            report("published", messages, perf_counter() - begin)

            begin = perf_counter()
            await consume(queue, topic, messages, credit)
            report("consumed", messages, perf_counter() - begin)
        finally:
            with anyio.CancelScope(shield=True):
                await queue.delete(topic)


async def consume(queue: Client, topic: str, messages: int, credit: int) -> None:
    async with queue.subscribe(topic, credit=credit) as deliveries:
        for _ in range(messages):
            delivery = await deliveries.receive()
            await delivery.ack()


def report(what: str, messages: int, seconds: float) -> None:
    print(f"{what} {messages:,} messages in {seconds:.2f} s: {messages / seconds:,.0f}/s")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="https://localhost:8080")
    parser.add_argument("--ca", default="certs/ca.pem")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=100, help="bytes of each (default: 100)")
    parser.add_argument("--credit", type=int, default=1000, help="in flight (default: 1000)")
    chosen = parser.parse_args()
    anyio.run(main, chosen.url, chosen.ca, chosen.messages, chosen.size, chosen.credit)
