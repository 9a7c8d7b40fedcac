"""`python -m load.bench.database`: what a call costs in PostgreSQL, and how many it can write here.

Calls of a mixed day through two gateways and a worker, between two looks at the database's own
statistics; then writers alone, as fast as they can; then the worker's step that follows calls.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from load.bench.database.usage_aggregation import Step, steps
from load.bench.database.write_statistics import Written, written
from load.bench.database.write_throughput import Ceiling, ceilings
from load.bench.gateways.processes import cpu_s, postmaster_of
from load.soak.clients import Clients
from load.soak.fleet import Fleet, run_fleet
from models.catalog import Task, load_catalog

_FIRMS = ("acme", "boltz", "cantor", "dietz")
# The worker's steps that follow calls have run by then.
_AFTER_S = 75.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls left behind. processor: seconds by part."""

    calls: int
    written: Written
    processor: dict[str, float]


def main() -> None:
    """Measure and print a report in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.database", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of calls")
    parser.add_argument("--rate", type=float, default=150, help="of them")
    parser.add_argument("--each", type=float, default=8, help="seconds for each setting of writers")
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--groups", type=int, nargs="+", default=[1, 8, 64, 256])
    given = parser.parse_args()
    model = load_catalog("cpu").with_task(Task.TEXT_GENERATION)[0].id
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as name:
        with run_fleet(Path(name), _FIRMS) as fleet:
            cost = asyncio.run(_cost(fleet, given.rate, given.seconds))
            sys.stdout.write("\n".join(_cost_lines(cost)) + "\n\n")
            fleet.worker.stop()
            url, firms = fleet.postgres.url, fleet.firms
            found = ceilings(url, firms, model, given.writers, given.groups, given.each)
            sys.stdout.write("\n".join(_ceiling_lines(found)) + "\n\n")
        each, workers = (1, 10, 100, 1_000, 1_000), (1, 2, 4)
        following = steps(Path(name) / "following", model, each, workers)
        sys.stdout.write("\n".join(_step_lines(following)) + "\n")


async def _cost(fleet: Fleet, rate: float, seconds: float) -> Cost:
    clients = Clients(lambda: fleet.urls, fleet.firms, fleet.folder / "answers.txt", seed=1)
    # What a process does once (leases, keys it comes to know) is no call's.
    await clients.saturate(16, 8.0)
    await asyncio.sleep(_AFTER_S)
    before, counted = await asyncio.to_thread(written, fleet.postgres.url), _processor(fleet)
    answered = clients.account.answered
    calling = asyncio.create_task(clients.steady(rate))
    await asyncio.sleep(seconds)
    clients.stop()
    await calling
    calls = clients.account.answered - answered
    used = {name: after - counted[name] for name, after in _processor(fleet).items()}
    await asyncio.sleep(_AFTER_S)
    after = await asyncio.to_thread(written, fleet.postgres.url)
    return Cost(calls, after.since(before), used)


def _processor(fleet: Fleet) -> dict[str, float]:
    """Seconds so far, of each part with what it started."""
    found = {
        "PostgreSQL": cpu_s(postmaster_of(fleet.folder / "data" / "postgres")),
        "gateways": 0.0,
        "worker": 0.0,
    }
    for part in fleet.parts:
        if part.pid is not None:
            name = "worker" if part is fleet.worker else "gateways"
            found[name] += cpu_s(part.pid)
    return found


def _cost_lines(cost: Cost) -> Iterator[str]:
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
    log, commits = cost.written.log / calls, cost.written.commits / calls
    yield f"Log written ahead: {log:.0f} bytes a call; {commits:.2f} commits a call."
    used = ", ".join(f"{name} {1000 * one / calls:.2f}" for name, one in cost.processor.items())
    yield f"Processor, ms a call: {used}."


def _ceiling_lines(found: Iterator[Ceiling]) -> Iterator[str]:
    yield "| writers | calls in a commit | calls/s | commits/s | commit p50, p99 ms |"
    yield "|---|---|---|---|---|"
    for one in found:
        yield (
            f"| {one.writers} | {one.group} | {one.calls_s:,.0f} | {one.commits_s:,.0f} "
            f"| {one.p50_ms:.1f}, {one.p99_ms:.1f} |"
        )


def _step_lines(found: Iterator[Step]) -> Iterator[str]:
    yield "| accounts that called | workers | the step, s | ms an account |"
    yield "|---|---|---|---|"
    for one in found:
        each = 1000 * one.seconds / one.accounts
        yield f"| {one.accounts:,} | {one.workers} | {one.seconds:.2f} | {each:.1f} |"


if __name__ == "__main__":
    main()
