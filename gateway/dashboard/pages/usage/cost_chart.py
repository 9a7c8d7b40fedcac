"""The chart of an account's cost by day or hour, stacked by model.

The costs come from billing/reports/spending.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from billing.dates import local_day, local_midnight, parse_time_zone
from billing.reports.spending import SpendingRow
from billing.tables import BillingPeriod
from gateway.dashboard.charts import Chart, Series, bar_height
from gateway.dashboard.formatting import LocaleFormatter

# Further models are combined in one series.
MAX_MODEL_SERIES = 7


@dataclass(frozen=True, slots=True)
class CostChartTexts:
    """The translated texts of the chart; `total` contains `{cost}`."""

    title: str
    other_models: str
    total: str


def period_day_starts(period: BillingPeriod, now: datetime) -> list[datetime]:
    """Return the instants at which the days of a period begin, up to today."""
    zone = parse_time_zone(period.time_zone)
    first, last = local_day(period.starts_at, zone), local_day(min(now, period.ends_at), zone)
    day_count = (last - first).days + (local_midnight(last, zone) < period.ends_at)
    return [local_midnight(first + timedelta(days=at), zone) for at in range(max(1, day_count))]


def cost_chart(
    spending: Sequence[SpendingRow],
    starts: Sequence[datetime],
    labels: Sequence[str],
    currency: str,
    formatter: LocaleFormatter,
    texts: CostChartTexts,
    links: Sequence[str] = (),
) -> Chart:
    """Build the chart of the cost per time slot, stacked by model.

    `starts` are the slots' starts, `labels` and `links` their names and URLs. Spending outside the
    slots is left out.
    """
    by_model: dict[str, dict[datetime, int]] = {}
    for item in spending:
        if isinstance(item.value, datetime):
            by_model.setdefault(item.model or "", {})[item.value] = item.cost_nano
    ordered = sorted(by_model, key=lambda model: (-sum(by_model[model].values()), model))
    series = {formatter.product(model): by_model[model] for model in ordered[:MAX_MODEL_SERIES]}
    if remaining := [by_model[model] for model in ordered[MAX_MODEL_SERIES:]]:
        series[texts.other_models] = _sum_costs(remaining)
    totals = [sum(costs.get(start, 0) for costs in by_model.values()) for start in starts]
    return Chart(
        title=texts.title,
        places=labels,
        series=[
            _cost_series(name, costs, starts, currency, formatter) for name, costs in series.items()
        ],
        totals=[texts.total.replace("{cost}", formatter.sum(item, currency)) for item in totals],
        links=links,
    )


def day_labels(starts: Sequence[datetime], zone: ZoneInfo, formatter: LocaleFormatter) -> list[str]:
    """Return the short dates of days, for the x-axis."""
    return [formatter.short_day(local_day(start, zone)) for start in starts]


def _sum_costs(parts: Sequence[Mapping[datetime, int]]) -> dict[datetime, int]:
    """Add up the costs of several models per slot."""
    starts = {start for part in parts for start in part}
    return {start: sum(part.get(start, 0) for part in parts) for start in starts}


def _cost_series(
    name: str,
    costs: Mapping[datetime, int],
    starts: Sequence[datetime],
    currency: str,
    formatter: LocaleFormatter,
) -> Series:
    """Build the series of one model: float heights and formatted costs."""
    nano = [costs.get(start, 0) for start in starts]
    return Series(
        name or "–",
        [bar_height(cost) for cost in nano],
        [formatter.sum(cost, currency) for cost in nano],
    )
