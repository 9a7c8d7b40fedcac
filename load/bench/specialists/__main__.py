"""`make bench-specialists`: against a running service, whose first key is given.

    python -m load.bench.specialists --key maas_… [--serving http://127.0.0.1:8000]

Variants are put to the serving address itself, by thousands, only where that is given; the service
is best started for this alone.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence

import aiohttp

from load.bench.specialists.client import Server, adapted, metadata, pace, rate, row_of, series_of
from load.bench.specialists.variants import crowd

_TABULAR, _SERIES = "classification", "regression"
_BATCH = 64


async def _measure(options: argparse.Namespace) -> str:
    headers = {"authorization": f"Bearer {options.key}"}
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        server = await Server.found(session, options.url)
        tabular, series = server.by_task[_TABULAR], server.by_task[_SERIES]
        row, machine = row_of(await metadata(server, tabular)), series_of(150)
        lines = ["| what | figure | bar |", "|---|---|---|"]
        for name, model, one in (("tabular", tabular, row), ("series of 150", series, machine)):
            await pace(server, model, one, 30)
            took = await pace(server, model, one, options.calls)
            lines.append(f"| {name}, one at a time, ms | {_spread(took)} | p50 8, p99 25 |")
        told = await rate(server, tabular, [row] * _BATCH, options.concurrency, options.seconds)
        lines.append(
            f"| tabular, batches of {_BATCH}, {options.concurrency} at a time | "
            f"{told.rows_s:,.0f} rows/s, {told.rows_core_s:,.0f} for each busy core | 1,000 |"
        )
        made = await adapted(server, series, options.variants_of)
        lines.append(f"| adapting to {made.machines} machines | {made.seconds:.1f} s | 60 |")
        lines.append(f"| first call of a variant, ms | {_spread(made.first_ms)} | 300 |")
        lines.append(f"| second call of it, ms | {_spread(made.second_ms)} | |")
        if options.serving:
            lines += await crowd(session, options.serving, series, options.crowd)
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered):.1f}, p99 {last:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m load.bench.specialists")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--key", required=True)
    parser.add_argument("--serving", help="the serving address, for the crowd of variants")
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--variants-of", type=int, default=5, metavar="MACHINES")
    parser.add_argument("--crowd", type=int, default=2000)
    sys.stdout.write(asyncio.run(_measure(parser.parse_args())))


if __name__ == "__main__":
    main()
