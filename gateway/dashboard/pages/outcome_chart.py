"""The chart of an outcome contract's measured and expected values, from settlement reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from billing.outcomes.settlement.read_model import SettlementDetails
from gateway.dashboard.charts import Chart, Series
from gateway.dashboard.formatting import LocaleFormatter


@dataclass(frozen=True, slots=True)
class EffectChartTexts:
    """The translated texts of the chart: its title and its series."""

    title: str
    actual: str
    expected: str
    low: str
    high: str


def measurement_reports(settled: SettlementDetails) -> list[Mapping[str, Any]]:
    """Return the measurement report of each contract version in a settlement."""
    return [effect.measured.report or {} for effect in settled.bundle.measured]


def effect_chart(
    settlements: Sequence[SettlementDetails],
    unit: str,
    formatter: LocaleFormatter,
    texts: EffectChartTexts,
) -> Chart | None:
    """Build the daily chart of all settlements, the oldest first; None if there are no days."""
    days = sorted(
        (
            day
            for settlement in settlements
            for report in measurement_reports(settlement)
            for day in report.get("days", ())
        ),
        key=lambda day: str(day["day"]),
    )
    if not days:
        return None

    def series(name: str, key: str, kind: str) -> Series:
        """Build the series of one field of the days; `kind` is how it is drawn."""
        texts = [f"{formatter.decimal(day[key])} {unit}" for day in days]
        return Series(name, [float(day[key]) for day in days], texts, kind)

    return Chart(
        title=texts.title,
        places=[formatter.short_day(date.fromisoformat(day["day"])) for day in days],
        # The band is filled from `high` down to the preceding `low`; lines are drawn on top.
        series=[
            series(texts.low, "low", "low"),
            series(texts.high, "high", "high"),
            series(texts.actual, "actual", "line"),
            series(texts.expected, "expected", "line"),
        ],
    )
