"""The table of the benchmark, in Markdown."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

P50_TARGET_MS, P99_TARGET_MS = 8, 25


@dataclass(frozen=True, slots=True)
class CallTimes:
    """The seconds of a training (None: ready-made) and the milliseconds of single calls."""

    name: str
    training_s: float | None
    calls_ms: Sequence[float]

    @property
    def p50_ms(self) -> float:
        """The median of the calls."""
        return statistics.median(self.calls_ms)

    @property
    def p99_ms(self) -> float:
        """The smallest time that 99 % of the calls do not exceed."""
        ordered = sorted(self.calls_ms)
        return ordered[math.ceil(0.99 * len(ordered)) - 1]


def render(ready_made: CallTimes, own: Sequence[CallTimes]) -> str:
    """Render the models of own columns below the ready-made one that they are compared with."""
    lines = [
        "| model | training, s | one row, p50 ms | p99 ms | p50 to the ready-made one's | target |",
        "|---|---|---|---|---|---|",
        *(_line(one, one.p50_ms / ready_made.p50_ms) for one in (ready_made, *own)),
    ]
    calls = len(ready_made.calls_ms)
    return "\n".join([*lines, "", f"{calls} calls of each model, one at a time, in turns."]) + "\n"


def _line(one: CallTimes, ratio: float) -> str:
    """Return the line of a model."""
    training = "ready-made" if one.training_s is None else f"{one.training_s:.1f}"
    is_met = one.p50_ms <= P50_TARGET_MS and one.p99_ms <= P99_TARGET_MS
    target = f"p50 {P50_TARGET_MS}, p99 {P99_TARGET_MS}: {'met' if is_met else 'missed'}"
    return (
        f"| {one.name} | {training} | {one.p50_ms:.1f} | {one.p99_ms:.1f} | {ratio:.2f} "
        f"| {target} |"
    )
