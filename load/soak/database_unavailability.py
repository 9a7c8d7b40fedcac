"""Why gateways could not reach the database during a soak test, from their metrics.

The last value of each start of a gateway is kept, because a counter ends with its process.
"""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from gateway.cli.top.prometheus import parse_metrics
from load.soak.fleet import Gateway

_COUNTER = "maas_database_unavailable_total"
_TIMEOUT_S = 5.0


async def unavailability(gateways: Sequence[Gateway]) -> dict[str, Mapping[str, float]]:
    """Return the failure counts by pool and reason of each gateway's current start.

    Gateways that do not answer are left out: they are restarting or busy.
    """
    asked = (asyncio.to_thread(_read_one, one) for one in gateways)
    found = zip(gateways, await asyncio.gather(*asked), strict=True)
    return {f"{one.name}, start {one.start_count}": data for one, data in found if data}


def _read_one(gateway: Gateway) -> dict[str, float]:
    """Return one gateway's failure counts by pool and reason; empty if it does not answer."""
    try:
        with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=_TIMEOUT_S) as answer:
            reading = parse_metrics(answer.read().decode(), time.monotonic())
    except (urllib.error.URLError, OSError):
        return {}
    samples = ((dict(labels), n) for labels, n in reading.samples.get(_COUNTER, {}).items())
    return {f"{labels['pool']}: {labels['reason']}": n for labels, n in samples}
