"""The targets of the comparison: ratios within a round, their limits, and whether they are met.

The result for two gateways is the median of the ratios per round, because single values of a shared
machine mean little.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from load.bench.gateways.measurement import (
    HALF_RATE,
    PLAIN,
    STREAMED,
    Measurement,
    ResultKey,
    Results,
)


@dataclass(frozen=True, slots=True)
class Limit:
    """The bound of a result: at most `value`, or at least."""

    value: float
    is_minimum: bool = False

    def verdict(self, result: float) -> str:
        """Return whether a result meets the bound."""
        is_met = result >= self.value if self.is_minimum else result <= self.value
        return "met" if is_met else "missed"

    def __str__(self) -> str:
        return f"{'≥' if self.is_minimum else '≤'} {self.value:g}"


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A ratio of two gateways' CPU times per call, and its limits by number of connections."""

    above: str
    below: str
    mode: str
    limits: Mapping[int, Limit] = field(default_factory=dict)
    with_database: bool = False

    @property
    def title(self) -> str:
        """Return the ratio in words."""
        what = "CPU with PostgreSQL" if self.with_database else "CPU"
        return f"{what} per {self.mode} call, {self.above} / {self.below}"

    def of(self, above: Measurement, below: Measurement) -> float:
        """Return the ratio of two measurements."""
        return (above.all_ms if self.with_database else above.cpu_ms) / below.cpu_ms


def _limits(at_16: float, at_256: float, is_minimum: bool = False) -> Mapping[int, Limit]:
    return {16: Limit(at_16, is_minimum), 256: Limit(at_256, is_minimum)}


_RATIOS = (
    _Ratio("maas", "bare", PLAIN, {16: Limit(1.5)}),
    _Ratio("maas", "ferrogw", PLAIN, _limits(1.25, 1.0)),
    _Ratio("maas", "smg", PLAIN, _limits(1.25, 1.0)),
    _Ratio("maas", "bare", PLAIN, _limits(1.9, 1.6), with_database=True),
    *(_Ratio("maas", other, STREAMED, _limits(1.0, 1.0)) for other in ("bare", "ferrogw", "smg")),
    _Ratio("LiteLLM", "maas", PLAIN, _limits(25, 25, is_minimum=True)),
    _Ratio("LiteLLM", "maas", STREAMED, _limits(25, 25, is_minimum=True)),
    _Ratio("Portkey", "maas", PLAIN, _limits(3.5, 3.5, is_minimum=True)),
    _Ratio("Portkey", "maas", STREAMED),
    _Ratio("bare", "nginx", PLAIN),
)
_WORKERS = _limits(1.15, 1.05)
# The second bound applies where commits are slow: a multiple of their own 99th percentile.
_MAX_P99_MS, _MAX_P99_COMMITS = 6.0, 1.5


def render_targets(results: Results) -> list[str]:
    """Render the ratios with their limits as lines of a table."""
    return [
        "| within a round | connections | median | target | |",
        "|---|---|---|---|---|",
        *(line for ratio in _RATIOS for line in _ratio_lines(results, ratio)),
        *_worker_lines(results),
        *_half_rate_lines(results),
    ]


def _ratio_lines(results: Results, ratio: _Ratio) -> Iterator[str]:
    for above, below in _pairs(results, ratio.above, ratio.below, ratio.mode):
        middle = _median_of_pairs(results[above], results[below], ratio.of)
        limit = ratio.limits.get(above.connections)
        yield _line(ratio.title, above.connections, middle, limit)


def _worker_lines(results: Results) -> Iterator[str]:
    """Compare several processes with one: the CPU per call, and the calls per second."""
    for several in dict.fromkeys(key.gateway for key in results if "workers" in key.gateway):
        for above, below in _pairs(results, several, "maas", PLAIN):
            pair, connections = (results[above], results[below]), above.connections
            cpu = _median_of_pairs(*pair, lambda a, b: a.cpu_ms / b.cpu_ms)
            calls = _median_of_pairs(*pair, lambda a, b: a.calls_s / b.calls_s)
            limit = _WORKERS.get(connections)
            yield _line(f"CPU per plain call, {several} / 1", connections, cpu, limit)
            yield _line(f"calls/s, {several} / 1", connections, calls, None)


def _half_rate_lines(results: Results) -> Iterator[str]:
    for ours, bare in _pairs(results, "maas", "bare", HALF_RATE):
        added = _median_of_pairs(results[ours], results[bare], lambda a, b: a.p99_ms - b.p99_ms)
        commits = [one.commit_p99_ms or 0.0 for one in results[ours]]
        limit = Limit(round(max(_MAX_P99_MS, _MAX_P99_COMMITS * statistics.median(commits)), 1))
        title = "p99 at half of what maas can do, maas − bare, ms"
        yield _line(title, ours.connections, added, limit)
        title = "p99 of maas' commits meanwhile, ms"
        yield _line(title, ours.connections, statistics.median(commits), None)


def _line(title: str, connections: int, result: float, limit: Limit | None) -> str:
    bound, verdict = ("", "") if limit is None else (str(limit), limit.verdict(result))
    return f"| {title} | {connections} | {result:.2f} | {bound} | {verdict} |"


def _pairs(
    results: Results, above: str, below: str, mode: str
) -> list[tuple[ResultKey, ResultKey]]:
    """Return the pairs of results that can be compared."""
    ours = [key for key in results if key.gateway == above and key.mode == mode]
    pairs = [(key, ResultKey(below, mode, key.connections)) for key in ours]
    return [pair for pair in pairs if pair[1] in results]


def _median_of_pairs(
    above: list[Measurement],
    below: list[Measurement],
    value: Callable[[Measurement, Measurement], float],
) -> float:
    return statistics.median(value(a, b) for a, b in zip(above, below, strict=True))
