"""The report of a replay in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from load.replay.call_statistics import Figures, InTime
from load.replay.experiments import BAR, TIMES, Fairness

_HEAD = (
    "| calls of | sent | calls/s | answered | good/s | first token p50, p99 ms | whole p50, p99 ms "
    "| per token p99 ms | queued p50, p99 ms | refused |\n|" + "---|" * 10
)


@dataclass(frozen=True, slots=True)
class Told:
    """What all of it is about."""

    trace: str
    calls: int
    shortened: int
    upstream: str
    in_time: InTime
    seconds: float


def opening(told: Told) -> str:
    """What was played against what."""
    return (
        f"Trace `{told.trace}`, {told.calls} calls, {told.shortened} of them cut to the model's "
        f"context; {told.seconds:.0f} s a phase against {told.upstream}. Good: first token within "
        f"{told.in_time.first_s:g} s and each further one within {1000 * told.in_time.each_s:g} ms."
    )


def table(rows: Mapping[str, Figures]) -> str:
    """A line for each."""
    return "\n".join([_HEAD, *(_row(name, one) for name, one in rows.items())])


def fairness_text(found: Fairness, load: float) -> str:
    """The table, and the ratios beside the bar."""
    rows = {"quiet, alone": found.alone, "quiet, beside": found.beside, "noisy": found.noisy}
    ratios = (("whole answer", found.total_ratio, BAR), ("first token", found.first_ratio, None))
    lines = [
        f"A noisy tenant with {TIMES} times the share of each of four quiet ones; all together "
        f"{load:g} of the engine's capacity.",
        "",
        table(rows),
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


def _row(name: str, one: Figures) -> str:
    refused = ", ".join(f"{count} {code}" for code, count in one.refused.items())
    cells = [
        name,
        str(one.calls),
        f"{one.calls_s:.1f}",
        str(one.answered),
        f"{one.goodput_s:.1f}",
        _pair(one.first_p50, one.first_p99),
        _pair(one.total_p50, one.total_p99),
        _number(one.each_p99),
        _pair(one.queued_p50, one.queued_p99),
        refused or "0",
    ]
    return f"| {' | '.join(cells)} |"


def _pair(first: float | None, second: float | None) -> str:
    return f"{_number(first)}, {_number(second)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
