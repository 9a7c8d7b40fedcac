"""`python -m load.bench.database`: the cost of a call in PostgreSQL, and the maximum write
throughput.

Measures mixed calls through two gateways and a worker from the database's statistics, then writers
alone, then the worker's aggregation of usage.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from load.bench.database.usage_aggregation import AggregationStep, measure_aggregation
from load.bench.database.write_statistics import WriteStatistics, read_write_statistics
from load.bench.database.write_throughput import WriteThroughput, measure_write_throughput
from load.bench.gateways.processes import cpu_s, postmaster_of
from load.soak.clients import Clients
from load.soak.fleet import Fleet, run_fleet
from models.catalog import DEFAULT_PROFILE, Task, load_catalog

_FIRMS = ("acme", "boltz", "cantor", "dietz")
# By then the worker has aggregated the calls.
_AFTER_S = 75.0


@dataclass(frozen=True, slots=True)
class CallCost:
    """What calls wrote to the database, and the CPU seconds by process."""

    calls: int
    written: WriteStatistics
    cpu_s: dict[str, float]


def main() -> None:
    """Measure and print a report in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.database", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of calls")
    parser.add_argument("--rate", type=float, default=150, help="of them")
    parser.add_argument("--each", type=float, default=8, help="seconds for each setting of writers")
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--groups", type=int, nargs="+", default=[1, 8, 64, 256])
    options = parser.parse_args()
    model = load_catalog(DEFAULT_PROFILE).with_task(Task.TEXT_GENERATION)[0].id
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as name:
        with run_fleet(Path(name), _FIRMS) as fleet:
            cost = asyncio.run(_measure_cost(fleet, options.rate, options.seconds))
            sys.stdout.write("\n".join(_render_cost(cost)) + "\n\n")
            fleet.worker.stop()
            url, firms = fleet.postgres.url, fleet.firms
            found = measure_write_throughput(
                url, firms, model, options.writers, options.groups, options.each
            )
            sys.stdout.write("\n".join(_render_write_throughput(found)) + "\n\n")
        each, workers = (1, 10, 100, 1_000, 1_000), (1, 2, 4)
        aggregation = measure_aggregation(Path(name) / "following", model, each, workers)
        sys.stdout.write("\n".join(_render_aggregation(aggregation)) + "\n")


async def _measure_cost(fleet: Fleet, rate: float, seconds: float) -> CallCost:
    """Measure what calls at this rate cost."""
    clients = Clients(lambda: fleet.urls, fleet.firms, fleet.folder / "answers.txt", seed=1)
    # Warm-up: leases and cached keys are one-time costs of a process.
    await clients.saturate(16, 8.0)
    await asyncio.sleep(_AFTER_S)
    before, counted = (
        await asyncio.to_thread(read_write_statistics, fleet.postgres.url),
        _cpu_seconds(fleet),
    )
    answered = clients.stats.answered
    calling = asyncio.create_task(clients.run_at_rate(rate))
    await asyncio.sleep(seconds)
    clients.stop()
    await calling
    calls = clients.stats.answered - answered
    used = {name: after - counted[name] for name, after in _cpu_seconds(fleet).items()}
    await asyncio.sleep(_AFTER_S)
    after = await asyncio.to_thread(read_write_statistics, fleet.postgres.url)
    return CallCost(calls, after.since(before), used)


def _cpu_seconds(fleet: Fleet) -> dict[str, float]:
    """Return the CPU seconds so far of PostgreSQL, the gateways and the worker, with their
    children."""
    found = {
        "PostgreSQL": cpu_s(postmaster_of(fleet.folder / "data" / "postgres")),
        "gateways": 0.0,
        "worker": 0.0,
    }
    for process in fleet.monitored_processes:
        if process.pid is not None:
            name = "worker" if process is fleet.worker else "gateways"
            found[name] += cpu_s(process.pid)
    return found


def _render_cost(cost: CallCost) -> Iterator[str]:
    calls = cost.calls
    yield f"{calls:,} calls, of which each took:"
    yield ""
    yield "| table | inserted | updated | deleted | bytes |"
    yield "|---|---|---|---|---|"
    tables = sorted(cost.written.tables.items(), key=lambda one: -one[1].rows)
    for name, table in tables:
        if table.rows >= calls / 1000:
            counts = (table.inserted, table.updated, table.deleted)
            ways = " | ".join(f"{number / calls:.3f}" for number in counts)
            yield f"| {name} | {ways} | {table.size / calls:.0f} |"
    rows = sum(table.rows for _, table in tables) / calls
    size = sum(table.size for _, table in tables) / calls
    yield f"| all: {rows:.2f} rows | | | | {size:.0f} |"
    yield ""
    log, commits = cost.written.wal_bytes / calls, cost.written.commits / calls
    yield f"Log written ahead: {log:.0f} bytes a call; {commits:.2f} commits a call."
    used = ", ".join(f"{name} {1000 * one / calls:.2f}" for name, one in cost.cpu_s.items())
    yield f"Processor, ms a call: {used}."


def _render_write_throughput(found: Iterator[WriteThroughput]) -> Iterator[str]:
    yield "| writers | calls in a commit | calls/s | commits/s | commit p50, p99 ms |"
    yield "|---|---|---|---|---|"
    for one in found:
        yield (
            f"| {one.writers} | {one.group} | {one.calls_s:,.0f} | {one.commits_s:,.0f} "
            f"| {one.p50_ms:.1f}, {one.p99_ms:.1f} |"
        )


def _render_aggregation(found: Iterator[AggregationStep]) -> Iterator[str]:
    yield "| accounts that called | workers | the step, s | ms an account |"
    yield "|---|---|---|---|"
    for one in found:
        each = 1000 * one.seconds / one.accounts
        yield f"| {one.accounts:,} | {one.workers} | {one.seconds:.2f} | {each:.1f} |"


if __name__ == "__main__":
    main()
