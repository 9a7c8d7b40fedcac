"""`make bench-specialists`: measure specialists of a running service.

    python -m load.bench.specialists --key maas_… [--serving http://127.0.0.1:8000]

With --serving, thousands of variants are uploaded to the serving address; use a service started for
this purpose only.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence

import aiohttp

from load.bench.specialists.assets import measure_by_asset
from load.bench.specialists.client import (
    SpecialistClient,
    example_row,
    measure_fine_tuning,
    measure_latencies,
    measure_throughput,
    metadata,
    synthetic_series,
)
from load.bench.specialists.variants import measure_many_variants

_TABULAR, _SERIES = "classification", "regression"
_BATCH = 64


async def _measure(options: argparse.Namespace) -> str:
    headers = {"authorization": f"Bearer {options.key}"}
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        client = await SpecialistClient.connect(session, options.url)
        tabular, series = client.by_task[_TABULAR], client.by_task[_SERIES]
        described = await metadata(client, tabular)
        row, machine = example_row(described), synthetic_series(150)
        lines = ["| what | figure | bar |", "|---|---|---|"]
        for name, model, one in (("tabular", tabular, row), ("series of 150", series, machine)):
            await measure_latencies(client, model, one, 30)
            took = await measure_latencies(client, model, one, options.calls)
            lines.append(f"| {name}, one at a time, ms | {_spread(took)} | p50 8, p99 25 |")
        inputs = described["parameters"]["signature"]["inputs"]
        paired = await measure_by_asset(client, tabular, inputs, row, options.calls)
        lines.append(
            f"| by asset after by columns, {options.calls} pairs | "
            f"{_spread([one * 1000 for one in paired.assets])} against "
            f"{_spread([one * 1000 for one in paired.columns])}; median of differences "
            f"{paired.extra_s * 1000:.1f} ms, of ratios {paired.ratio:.2f} | 10 ms more |"
        )
        throughput = await measure_throughput(
            client, tabular, [row] * _BATCH, options.concurrency, options.seconds
        )
        lines.append(
            f"| tabular, batches of {_BATCH}, {options.concurrency} at a time | "
            f"{throughput.rows_s:,.0f} rows/s, {throughput.rows_core_s:,.0f} for each busy core "
            "| 1,000 |"
        )
        fine_tuning = await measure_fine_tuning(client, series, options.variants_of)
        lines.append(
            f"| adapting to {fine_tuning.machines} machines | {fine_tuning.seconds:.1f} s | 60 |"
        )
        lines.append(f"| first call of a variant, ms | {_spread(fine_tuning.first_ms)} | 300 |")
        lines.append(f"| second call of it, ms | {_spread(fine_tuning.second_ms)} | |")
        if options.serving:
            lines += await measure_many_variants(session, options.serving, series, options.crowd)
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    """Return the median and the 99th percentile as text."""
    ordered = sorted(values)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered):.1f}, p99 {last:.1f}"


def main() -> None:
    """Measure and print a table in Markdown."""
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
