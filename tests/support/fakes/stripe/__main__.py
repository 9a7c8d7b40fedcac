"""`python -m tests.support.fakes.stripe`: the fake Stripe as a process, for load tests.

Prints its URL and key as one JSON line, then serves until it is stopped.
"""

import asyncio
import json
import signal
import sys

from tests.support.fakes.stripe.running import run_fake_stripe


async def _serve() -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with run_fake_stripe() as fake:
        sys.stdout.write(json.dumps({"url": fake.url, "key": fake.key}) + "\n")
        sys.stdout.flush()
        await stopping.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
