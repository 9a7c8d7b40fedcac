"""`python -m load.bench.resolution`: resolutions per second and core, latencies, and traces."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import psutil

from load.bench.resolution.client import Latencies, measure, request_for, visit
from load.bench.resolution.nodes import CACHEABLE, PREFIXES, NodeProcess, identifier, run_nodes
from load.bench.resolution.traces import measure_trace

_RECORDS = 500


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.resolution", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--events", type=int, default=10_000, help="of the trace")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as name:
        with run_nodes(Path(name), _RECORDS) as nodes:
            asyncio.run(_measure(nodes, options.seconds, options.events))


async def _measure(nodes: dict[str, NodeProcess], seconds: float, events: int) -> None:
    """Measure and print each row of the report when it is known."""
    walked, cached = (
        [request_for(identifier(number, prefix)) for number in range(_RECORDS)]
        for prefix in (PREFIXES["enterprise"], CACHEABLE)
    )
    resolver, enterprise = nodes["resolver"], nodes["enterprise"]
    _print("| measured | result |\n|---|---|")
    walk = await measure(resolver.port, walked, seconds, 4, rate=20)
    _print(_row("across three nodes, 20/s, nothing cached", walk))
    await visit(resolver.port, cached)
    cpu = psutil.Process(resolver.process.pid if resolver.process else None)
    before = cpu.cpu_times()
    most = await measure(resolver.port, cached, seconds, 16)
    used = cpu.cpu_times()
    spent = used.user + used.system - before.user - before.system
    _print(_row("cached, as fast as possible", most))
    _print(f"| cached, per CPU second of the node | {len(most.sorted_ms) / spent:,.0f} |")
    half = await measure(resolver.port, cached, seconds, 16, rate=2_500)
    _print(_row("cached, 2,500/s", half))
    url = enterprise.environment["MAAS_DATABASE_URL"]
    for width in (1, 10):
        captured_s, traced_s, items = await measure_trace(url, events, width)
        text = f"{traced_s * 1e3:,.0f} ms, {items:,} items (capture {captured_s:.1f} s)"
        _print(f"| trace of {events:,} events, {width} parts a stage | {text} |")


def _print(row: str) -> None:
    """Write a row at once."""
    sys.stdout.write(f"{row}\n")
    sys.stdout.flush()


def _row(label: str, found: Latencies) -> str:
    """Return the row of a measurement."""
    p50, p99 = found.percentile(0.5), found.percentile(0.99)
    text = f"{found.rate:,.0f}/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, {found.errors} errors"
    return f"| {label} | {text} |"


if __name__ == "__main__":
    main()
