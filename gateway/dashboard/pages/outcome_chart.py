"""Effects: what was measured under a contract, in figures and as a chart beside what was expected.

Owns reading the measurement's report as a settlement's bundle keeps it. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from billing.outcomes.settlement.read_model import Settled
from gateway.dashboard.charts import Chart, Series
from gateway.dashboard.formatting import Writing


@dataclass(frozen=True, slots=True)
class Words:
    """What the chart says beside numbers, in the page's language."""

    title: str
    actual: str
    expected: str
    low: str
    high: str


def reports_of(settled: Settled) -> list[Mapping[str, Any]]:
    """The report of each version that the month was measured by."""
    return [one.measured.report or {} for one in settled.bundle.measured]


def effect_chart(
    settled: Sequence[Settled], unit: str, writing: Writing, words: Words
) -> Chart | None:
    """Day by day of all these settlements, the oldest first; None where no day is told of."""
    days = sorted(
        (day for one in settled for report in reports_of(one) for day in report.get("days", ())),
        key=lambda day: str(day["day"]),
    )
    if not days:
        return None

    def series(name: str, key: str, kind: str) -> Series:
        texts = [f"{writing.decimal(day[key])} {unit}" for day in days]
        return Series(name, [float(day[key]) for day in days], texts, kind)

    return Chart(
        title=words.title,
        places=[writing.short_day(date.fromisoformat(day["day"])) for day in days],
        # The upper edge is filled down to the lower one before it; lines lie on top of the band.
        series=[
            series(words.low, "low", "low"),
            series(words.high, "high", "high"),
            series(words.actual, "actual", "line"),
            series(words.expected, "expected", "line"),
        ],
    )
