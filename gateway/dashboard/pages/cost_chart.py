"""Days: an account's running costs as a chart, day by day or hour by hour, by model.

Owns making that chart of what billing added up (billing/reports/spending.py). Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from billing.dates import day_of, midnight, zone_of
from billing.reports.spending import Spent
from billing.tables import BillingPeriod
from gateway.dashboard.charts import Chart, Series, height
from gateway.dashboard.formatting import Writing

# Beyond these, models are one colour together.
MOST_MODELS = 7


@dataclass(frozen=True, slots=True)
class Words:
    """What the chart says beside numbers, in the page's language; `total` has a place for one."""

    title: str
    others: str
    total: str


def days_of(period: BillingPeriod, now: datetime) -> list[datetime]:
    """The instants at which the period's days begin, up to today."""
    zone = zone_of(period.time_zone)
    first, last = day_of(period.starts_at, zone), day_of(min(now, period.ends_at), zone)
    whole = (last - first).days + (midnight(last, zone) < period.ends_at)
    return [midnight(first + timedelta(days=at), zone) for at in range(max(1, whole))]


def cost_chart(
    spent: Sequence[Spent],
    starts: Sequence[datetime],
    places: Sequence[str],
    currency: str,
    writing: Writing,
    words: Words,
    links: Sequence[str] = (),
) -> Chart:
    """What each time that starts there cost, by model; times that are not among them are left out.
    `places` name the times, and `links` lead to them."""
    by_model: dict[str, dict[datetime, int]] = {}
    for one in spent:
        if isinstance(one.value, datetime):
            by_model.setdefault(one.model or "", {})[one.value] = one.cost_nano
    ordered = sorted(by_model, key=lambda model: (-sum(by_model[model].values()), model))
    shown = {writing.product(model): by_model[model] for model in ordered[:MOST_MODELS]}
    if rest := [by_model[model] for model in ordered[MOST_MODELS:]]:
        shown[words.others] = _together(rest)
    totals = [sum(costs.get(start, 0) for costs in by_model.values()) for start in starts]
    return Chart(
        title=words.title,
        places=places,
        series=[_series(name, costs, starts, currency, writing) for name, costs in shown.items()],
        totals=[words.total.replace("{cost}", writing.sum(one, currency)) for one in totals],
        links=links,
    )


def day_places(starts: Sequence[datetime], zone: ZoneInfo, writing: Writing) -> list[str]:
    """The days' names."""
    return [writing.short_day(day_of(start, zone)) for start in starts]


def _together(parts: Sequence[Mapping[datetime, int]]) -> dict[datetime, int]:
    starts = {start for part in parts for start in part}
    return {start: sum(part.get(start, 0) for part in parts) for start in starts}


def _series(
    name: str,
    costs: Mapping[datetime, int],
    starts: Sequence[datetime],
    currency: str,
    writing: Writing,
) -> Series:
    nano = [costs.get(start, 0) for start in starts]
    return Series(
        name or "–", [height(one) for one in nano], [writing.sum(one, currency) for one in nano]
    )
