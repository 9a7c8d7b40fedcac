"""The report in Markdown: medians, and the ratios within a round with their limits.

The result for two gateways is the median of the ratios per round, because single values of a shared
machine mean little.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from load.bench.gateways.measurement import (
    HALF_RATE,
    PLAIN,
    STREAMED,
    Measurement,
    ResultKey,
    Results,
)

Value = Callable[[Measurement], float]


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A ratio of two gateways' CPU times, and its limit."""

    above: str
    below: str
    mode: str
    bar: str


_CPU = (
    _Ratio("maas", "bare", PLAIN, "≤ 1.8"),
    _Ratio("maas", "bare", STREAMED, "≤ 1.4"),
    _Ratio("LiteLLM", "maas", PLAIN, "≥ 25"),
    _Ratio("LiteLLM", "maas", STREAMED, "≥ 25"),
    _Ratio("Portkey", "maas", PLAIN, "≥ 3.5"),
    _Ratio("Portkey", "maas", STREAMED, ""),
    _Ratio("bare", "nginx", PLAIN, ""),
)
_WORKERS_BAR = "≥ 1.7"
_ADDED_BAR = "≤ 5"
_MEMORY_BAR = "0.95 to 1.05"


def render_tables(results: Results) -> str:
    """Render all measurements, then the ratios."""
    lines = [
        "",
        "| gateway | calls | connections | calls/s | CPU ms a call | PostgreSQL CPU ms a call "
        "| p50 ms | p99 ms | RSS MiB | failed |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_row(key, rounds) for key, rounds in results.items()),
        "",
        "| within a round | connections | median | bar |",
        "|---|---|---|---|",
        *_ratios(results),
    ]
    return "\n".join(lines) + "\n"


def render_memory(before: float, after: float, warm_up: int, calls: int) -> str:
    """Render the growth of this gateway's memory over many calls."""
    return (
        f"\nmaas: {before:.1f} MiB after {warm_up} calls, {after:.1f} MiB after {calls} more: "
        f"{after / before:.3f} (bar: {_MEMORY_BAR}).\n"
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


def _ratios(results: Results) -> Iterator[str]:
    for ratio in _CPU:
        title = f"CPU a {ratio.mode} call, {ratio.above} / {ratio.below}"
        for above, below in _pairs(results, ratio.above, ratio.below, ratio.mode):
            middle = _ratio(results[above], results[below], lambda f: f.cpu_ms)
            yield f"| {title} | {above.connections} | {middle:.2f} | {ratio.bar} |"
    for several in dict.fromkeys(key.gateway for key in results if "workers" in key.gateway):
        for above, below in _pairs(results, several, "maas", PLAIN):
            middle = _ratio(results[above], results[below], lambda f: f.calls_s)
            title = f"calls/s, {several} / 1"
            yield f"| {title} | {above.connections} | {middle:.2f} | {_WORKERS_BAR} |"
    for ours, bare in _pairs(results, "maas", "bare", HALF_RATE):
        rounds = zip(results[ours], results[bare], strict=True)
        added = statistics.median(a.p99_ms - b.p99_ms for a, b in rounds)
        title = "p99 at half of what maas can do, maas − bare, ms"
        yield f"| {title} | {ours.connections} | {added:.2f} | {_ADDED_BAR} |"


def _pairs(
    results: Results, above: str, below: str, mode: str
) -> list[tuple[ResultKey, ResultKey]]:
    """Return the pairs of results that can be compared."""
    ours = [key for key in results if key.gateway == above and key.mode == mode]
    pairs = [(key, ResultKey(below, mode, key.connections)) for key in ours]
    return [pair for pair in pairs if pair[1] in results]


def _ratio(above: list[Measurement], below: list[Measurement], value: Value) -> float:
    return statistics.median(value(a) / value(b) for a, b in zip(above, below, strict=True))


def _median(rounds: list[Measurement], value: Value) -> float:
    return statistics.median(map(value, rounds))
