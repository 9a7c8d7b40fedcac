"""The report in Markdown: medians of the rounds, and the ratios with their targets."""

import statistics
from collections.abc import Callable

from load.bench.gateways.measurement import Measurement, ResultKey, Results
from load.bench.gateways.targets import Limit, render_targets

_MAX_GROWTH = Limit(1.03)


def render_tables(results: Results) -> str:
    """Render all measurements, then the ratios."""
    lines = [
        "",
        "| gateway | calls | connections | calls/s | CPU ms a call | PostgreSQL CPU ms a call "
        "| p50 ms | p99 ms | RSS MiB | failed |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(key, rounds) for key, rounds in results.items()),
        "",
        *render_targets(results),
    ]
    return "\n".join(lines) + "\n"


def render_memory(before: float, after: float, warm_up: int, calls: int) -> str:
    """Render the growth of this gateway's memory over many calls."""
    growth = after / before
    return (
        f"\nmaas: {before:.1f} MiB after {warm_up} calls, {after:.1f} MiB after {calls} more: "
        f"{growth:.3f} (target: {_MAX_GROWTH}, {_MAX_GROWTH.verdict(growth)}).\n"
    )


def _row(key: ResultKey, rounds: list[Measurement]) -> str:
    database = [f.database_ms for f in rounds if f.database_ms is not None]
    cells = [
        key.gateway,
        key.mode,
        str(key.connections),
        f"{_median(rounds, lambda f: f.calls_s):.0f}",
        f"{_median(rounds, lambda f: f.cpu_ms):.3f}",
        f"{statistics.median(database):.3f}" if database else "",
        f"{_median(rounds, lambda f: f.p50_ms):.2f}",
        f"{_median(rounds, lambda f: f.p99_ms):.2f}",
        f"{_median(rounds, lambda f: f.rss_mib):.0f}",
        str(sum(f.failures for f in rounds)),
    ]
    return f"| {' | '.join(cells)} |"


def _median(rounds: list[Measurement], value: Callable[[Measurement], float]) -> float:
    return statistics.median(map(value, rounds))
