"""A consumer on trio: some messages at a time, each with a limit on how long it may take.

python examples/trio_consumer.py [--url URL] [--ca FILE] [--topic TOPIC]
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import trio

from miniqueue_py import Client, Delivery, Subscription

WORKERS = 4
LONGEST_SECONDS = 10.0


async def main(url: str, ca: str, topic: str) -> None:
    async with (
        Client(url, ca=ca) as queue,
        queue.subscribe(topic, credit=2 * WORKERS) as deliveries,
        trio.open_nursery() as nursery,
    ):
        for _ in range(WORKERS):
            nursery.start_soon(work, deliveries)


async def work(deliveries: Subscription) -> None:
    """Take one delivery after another. Several tasks may share a subscription."""
    async for delivery in deliveries:
        try:
            with trio.fail_after(LONGEST_SECONDS):
                await handle(delivery)
        except (trio.TooSlowError, UnicodeDecodeError) as error:
            print(f"{delivery.message_id}: {error!r}, again in 5 s", flush=True)
            await delivery.dack(5)
        else:
            await delivery.ack()


async def handle(delivery: Delivery) -> None:
    await trio.sleep(0.01)  # your work
    print(delivery.text, flush=True)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="https://localhost:8080")
    parser.add_argument("--ca", default="certs/ca.pem")
    parser.add_argument("--topic", default="emails")
    chosen = parser.parse_args()
    try:
        trio.run(main, chosen.url, chosen.ca, chosen.topic)
    except* KeyboardInterrupt:  # trio's nurseries wrap it
        print("left; what was in flight went back")
