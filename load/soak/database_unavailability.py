"""Why the database was not there for gateways, by their own metrics, over a soak.

Owns asking them and keeping the last answer of each start: a counter ends with its process.
"""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from gateway.cli.top.prometheus import parse_metrics
from load.soak.fleet import Gateway

_COUNTER = "maas_database_unavailable_total"
_PATIENCE_S = 5.0


async def absences(gateways: Sequence[Gateway]) -> dict[str, Mapping[str, float]]:
    """By the start of a gateway, how often by pool and reason. One that does not answer is left
    out: it is being restarted, or busy."""
    asked = (asyncio.to_thread(_of_one, one) for one in gateways)
    found = zip(gateways, await asyncio.gather(*asked), strict=True)
    return {f"{one.name}, start {one.generation}": said for one, said in found if said}


def _of_one(gateway: Gateway) -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=_PATIENCE_S) as answer:
            reading = parse_metrics(answer.read().decode(), time.monotonic())
    except (urllib.error.URLError, OSError):
        return {}
    samples = ((dict(labels), n) for labels, n in reading.samples.get(_COUNTER, {}).items())
    return {f"{labels['pool']}: {labels['reason']}": n for labels, n in samples}
