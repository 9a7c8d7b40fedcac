"""The report of a replay in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from load.replay.call_statistics import CallStatistics, LatencyTargets
from load.replay.experiments import MAX_P99_RATIO, NOISY_SHARE, FairnessResult

_TABLE_HEAD = (
    "| calls of | sent | calls/s | answered | good/s | first token p50, p99 ms | whole p50, p99 ms "
    "| per token p99 ms | queued p50, p99 ms | refused |\n|" + "---|" * 10
)


@dataclass(frozen=True, slots=True)
class ReplayInfo:
    """Parameters of a replay, for the report's heading."""

    trace: str
    calls: int
    shortened: int
    upstream: str
    latency_targets: LatencyTargets
    seconds: float


def render_heading(info: ReplayInfo) -> str:
    """Render the parameters of the replay."""
    targets = info.latency_targets
    return (
        f"Trace `{info.trace}`, {info.calls} calls, {info.shortened} of them cut to the model's "
        f"context; {info.seconds:.0f} s a phase against {info.upstream}. Good: first token within "
        f"{targets.first_token_s:g} s and each further one within "
        f"{1000 * targets.token_interval_s:g} ms."
    )


def render_table(rows: Mapping[str, CallStatistics]) -> str:
    """Render one row of statistics per name."""
    return "\n".join([_TABLE_HEAD, *(_row(name, one) for name, one in rows.items())])


def render_fairness(result: FairnessResult, load: float) -> str:
    """Render the statistics of the fairness experiment and the ratios with their limits."""
    rows = {"quiet, alone": result.alone, "quiet, beside": result.beside, "noisy": result.noisy}
    ratios = (
        ("whole answer", result.total_ratio, MAX_P99_RATIO),
        ("first token", result.first_ratio, None),
    )
    lines = [
        f"A noisy tenant with {NOISY_SHARE} times the share of each of four quiet ones; all "
        f"together {load:g} of the engine's capacity.",
        "",
        render_table(rows),
        "",
        "| quiet tenants' p99, beside / alone | ratio | bar |",
        "|---|---|---|",
        *_ratios(ratios),
    ]
    return "\n".join(lines)


def _ratios(ratios: Sequence[tuple[str, float | None, float | None]]) -> Iterator[str]:
    for what, value, bar in ratios:
        shown = "not measured" if value is None else f"{value:.2f}"
        yield f"| {what} | {shown} | {'' if bar is None else f'≤ {bar}'} |"


def _row(name: str, one: CallStatistics) -> str:
    refused = ", ".join(f"{count} {code}" for code, count in one.refused.items())
    cells = [
        name,
        str(one.calls),
        f"{one.calls_s:.1f}",
        str(one.answered),
        f"{one.goodput_s:.1f}",
        _pair(one.first_token_p50, one.first_token_p99),
        _pair(one.total_p50, one.total_p99),
        _number(one.token_interval_p99),
        _pair(one.queued_p50, one.queued_p99),
        refused or "0",
    ]
    return f"| {' | '.join(cells)} |"


def _pair(first: float | None, second: float | None) -> str:
    return f"{_number(first)}, {_number(second)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
