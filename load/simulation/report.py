"""What came of simulated fleets, in Markdown."""

from collections.abc import Iterable, Mapping

from load.replay.call_statistics import Figures, InTime, figures
from load.simulation.fleet import Run

_FLEETS = (
    "| setting | good | first token p50, p99 s | each p99 ms | replicas: mean, most "
    "| replica hours a million calls |\n|" + "---|" * 6
)
_CHECK = "| figure | played | simulated | simulated / played |\n|---|---|---|---|"
_COMPARED = {
    "first token p50, ms": "first_p50",
    "first token p99, ms": "first_p99",
    "whole p50, ms": "total_p50",
    "whole p99, ms": "total_p99",
    "each token p99, ms": "each_p99",
    "goodput, calls/s": "goodput_s",
}


def fleets(runs: Iterable[tuple[str, Run]], in_time: InTime) -> str:
    """A line for each setting."""
    return "\n".join([_FLEETS, *(_fleet(name, run, in_time) for name, run in runs)])


def check(played: Figures, simulated: Figures) -> str:
    """What a run on real sockets gave, beside the same calls simulated."""
    return "\n".join([_CHECK, *_compared(played, simulated)])


def compared(played: Figures, simulated: Figures) -> Mapping[str, tuple[float, float]]:
    """Each figure that both have."""
    found = {}
    for name, fact in _COMPARED.items():
        one, other = getattr(played, fact), getattr(simulated, fact)
        if one is not None and other is not None:
            found[name] = (float(one), float(other))
    return found


def _compared(played: Figures, simulated: Figures) -> Iterable[str]:
    for name, (one, other) in compared(played, simulated).items():
        yield f"| {name} | {one:.1f} | {other:.1f} | {other / one if one else 0:.2f} |"


def _fleet(name: str, run: Run, in_time: InTime) -> str:
    found = figures(run.played, run.seconds, in_time, None)
    hours = run.replica_s / 3600 / len(run.played) * 1e6
    cells = [
        name,
        f"{found.good / found.calls:.1%}",
        f"{(found.first_p50 or 0) / 1000:.2f}, {(found.first_p99 or 0) / 1000:.2f}",
        f"{found.each_p99 or 0:.0f}",
        f"{run.mean_replicas:.1f}, {run.most}",
        f"{hours:.0f}",
    ]
    return f"| {' | '.join(cells)} |"
