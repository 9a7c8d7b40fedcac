"""The load test's report in Markdown: statistics by kind of call, and the objectives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from load.slo import ALL, CallStats, Measure, Verdict, value_of


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Parameters of a load test run."""

    users: int
    seconds: float
    upstream: str
    at: str


def render_report(run: RunInfo, seen: Mapping[str, CallStats], verdicts: Sequence[Verdict]) -> str:
    """Render the whole report."""
    met = sum(one.is_met for one in verdicts)
    lines = [
        f"# A mixed day, {run.at}",
        "",
        f"{run.users} users for {run.seconds:.0f} s against {run.upstream}: "
        f"{met} of {len(verdicts)} objectives held.",
        "",
        *_render_calls(run, seen),
        "",
        *render_objectives(verdicts),
    ]
    return "\n".join(lines) + "\n"


def render_objectives(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield the table of objectives; missed ones are in bold."""
    yield "| what | measure | measured | bound | held |"
    yield "|---|---|---|---|---|"
    for one in verdicts:
        unit = one.slo.measure.unit
        value = "not called" if one.value is None else f"{one.value:.1f} {unit}"
        cells = (one.slo.name, one.slo.measure, value, f"{one.slo.bound:g} {unit}")
        yield f"| {' | '.join(cells)} | {'yes' if one.is_met else '**no**'} |"


def _render_calls(run: RunInfo, seen: Mapping[str, CallStats]) -> Iterator[str]:
    yield "| what | calls | calls/s | failed | p50 ms | p95 ms | p99 ms |"
    yield "|---|---|---|---|---|---|---|"
    for what in [*sorted(name for name in seen if name != ALL), ALL]:
        if what in seen:
            yield _row(what, seen[what], run.seconds)


def _row(what: str, one: CallStats, seconds: float) -> str:
    times = [value_of(each, one) for each in (Measure.P50, Measure.P95, Measure.P99)]
    cells = [
        what,
        str(one.num_requests),
        f"{one.num_requests / max(seconds, 1e-9):.1f}",
        str(one.num_failures),
        *("" if time is None else f"{time:.1f}" for time in times),
    ]
    return f"| {' | '.join(cells)} |"
