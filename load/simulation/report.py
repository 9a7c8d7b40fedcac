"""The report of simulated fleets in Markdown."""

from collections.abc import Iterable, Mapping

from load.replay.call_statistics import CallStatistics, LatencyTargets, compute_statistics
from load.simulation.fleet import SimulationResult

_FLEET_HEAD = (
    "| setting | good | first token p50, p99 s | each p99 ms | replicas: mean, most "
    "| replica hours a million calls |\n|" + "---|" * 6
)
_CHECK_HEAD = "| figure | played | simulated | simulated / played |\n|---|---|---|---|"
_COMPARED = {
    "first token p50, ms": "first_token_p50",
    "first token p99, ms": "first_token_p99",
    "whole p50, ms": "total_p50",
    "whole p99, ms": "total_p99",
    "each token p99, ms": "token_interval_p99",
    "goodput, calls/s": "goodput_s",
}


def render_fleets(
    runs: Iterable[tuple[str, SimulationResult]], latency_targets: LatencyTargets
) -> str:
    """Render one row per scenario."""
    return "\n".join(
        [_FLEET_HEAD, *(_render_fleet(name, result, latency_targets) for name, result in runs)]
    )


def render_check(measured: CallStatistics, simulated: CallStatistics) -> str:
    """Render a real run's statistics beside those of the simulation."""
    return "\n".join([_CHECK_HEAD, *_compared(measured, simulated)])


def comparable_figures(
    measured: CallStatistics, simulated: CallStatistics
) -> Mapping[str, tuple[float, float]]:
    """Return the statistics that both have, by name: measured, simulated."""
    found = {}
    for name, fact in _COMPARED.items():
        one, other = getattr(measured, fact), getattr(simulated, fact)
        if one is not None and other is not None:
            found[name] = (float(one), float(other))
    return found


def _compared(measured: CallStatistics, simulated: CallStatistics) -> Iterable[str]:
    for name, (one, other) in comparable_figures(measured, simulated).items():
        yield f"| {name} | {one:.1f} | {other:.1f} | {other / one if one else 0:.2f} |"


def _render_fleet(name: str, result: SimulationResult, latency_targets: LatencyTargets) -> str:
    found = compute_statistics(result.outcomes, result.seconds, latency_targets, None)
    hours = result.replica_s / 3600 / len(result.outcomes) * 1e6
    cells = [
        name,
        f"{found.good / found.calls:.1%}",
        f"{(found.first_token_p50 or 0) / 1000:.2f}, {(found.first_token_p99 or 0) / 1000:.2f}",
        f"{found.token_interval_p99 or 0:.0f}",
        f"{result.mean_replicas:.1f}, {result.max_replicas}",
        f"{hours:.0f}",
    ]
    return f"| {' | '.join(cells)} |"
