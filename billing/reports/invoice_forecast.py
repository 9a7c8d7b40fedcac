"""Forecast of the current period's invoice total.

Daily usage is valued at current prices, before allowances. The forecast usage has the past mix of
models and is rated, together with the usage so far, by the functions that compute the invoice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import local_day, local_midnight, parse_time_zone
from billing.invoice_documents.builder import preview_non_usage_lines
from billing.invoices.calculation import PeriodUsage, TermsUsage, compute_amounts
from billing.invoices.usage_position import UsagePosition
from billing.rating.quantities import METERS, Quantities, rate
from billing.rating.statement import ModelUsage, unit_prices
from billing.rating.terms import LIST_PLAN, PlanTerms
from billing.reports.usage_model import forecast_usage
from billing.subscriptions.plans import PlanNotFound, find_plan_version, load_terms

_HISTORY_DAYS = 28
_SUMS = ", ".join(f"sum({meter}) as {meter}" for meter in METERS)
# Aggregated by hour first, as in spending.py.
_DAILY_USAGE = f"""
    select date_trunc('day', hour, :zone), model, {_SUMS}
    from (
        select hour, model, {_SUMS} from usage_total
        where account_id = :account and hour >= :since and hour < :until
          and settlement in ('complete', 'client_abort')
        group by 1, 2
    ) of_hour
    group by 1, 2
"""  # noqa: S608  # put together of constants


@dataclass(frozen=True, slots=True)
class InvoiceForecast:
    """Forecast invoice total in minor units including tax, with its 80 % interval."""

    low: int
    middle: int
    high: int


@dataclass(frozen=True, slots=True)
class _PastUsage:
    """Usage of past whole days: value by day in nano-units, and quantities by model."""

    weights: Mapping[date, int]
    used: Mapping[str, Quantities]

    @property
    def weight(self) -> int:
        """Price of the usage of all past days, at unit prices, in nano-units."""
        return sum(self.weights.values())


async def forecast_invoice(
    session: AsyncSession, position: UsagePosition
) -> InvoiceForecast | None:
    """Forecast the current period's invoice. Returns None with too little history."""
    profile, period_usage = position.profile, position.current_period
    zone = parse_time_zone(period_usage.period.time_zone)
    terms = _terms_by_model(
        await _current_list_prices(session, position), period_usage.terms_usages, position.terms
    )
    past = await _load_past_usage(session, position.account_id, position.at, zone, terms)
    expected = forecast_usage(
        past.weights, _remaining_days(position.at, period_usage.period.ends_at, zone)
    )
    if expected is None:
        return None
    other_lines = await preview_non_usage_lines(session, profile, period_usage.period)

    async def total(additional_usage: int) -> int:
        """Return the total in minor units with tax, for further usage in nano-units."""
        share = Fraction(additional_usage, past.weight) if past.weight else Fraction(0)
        lines = [
            *_add_expected_usage(period_usage, past.used, share, terms).lines(),
            *other_lines,
        ]
        return (await compute_amounts(session, profile, lines)).taxed.total

    low, middle, high = expected.low, expected.middle, expected.high
    return InvoiceForecast(await total(low), await total(middle), await total(high))


async def _current_list_prices(session: AsyncSession, position: UsagePosition) -> PlanTerms | None:
    """Return the current pay-as-you-go list terms, or None if none are published."""
    try:
        version = await find_plan_version(session, LIST_PLAN, position.currency)
    except PlanNotFound:
        return None
    return (await load_terms(session, [version.id]))[version.id]


def _terms_by_model(
    list_terms: PlanTerms | None, usages: Sequence[TermsUsage], current: PlanTerms | None
) -> dict[str, PlanTerms]:
    """Return the terms that will price further calls, by model.

    These are the plan's if it prices the model, else those that priced it last, else the list's.
    """
    of_period = [terms_usage.terms for terms_usage in usages if not terms_usage.contract]
    by_priority = [
        terms_usage for terms_usage in (list_terms, *of_period, current) if terms_usage is not None
    ]
    return {price.model: terms for terms in by_priority for price in terms.prices}


async def _load_past_usage(
    session: AsyncSession,
    account_id: UUID,
    now: datetime,
    zone: ZoneInfo,
    terms: Mapping[str, PlanTerms],
) -> _PastUsage:
    """Load daily usage before today, of models with terms, in units and nano-units."""
    today = local_day(now, zone)
    values = {
        "account": account_id,
        "zone": zone.key,
        "since": local_midnight(today - timedelta(days=_HISTORY_DAYS), zone),
        "until": local_midnight(today, zone),
    }
    rows = (await session.execute(text(_DAILY_USAGE), values)).all()
    weights: defaultdict[date, int] = defaultdict(int)
    used: defaultdict[str, Quantities] = defaultdict(Quantities)
    for starts_at, model, *sums in rows:
        if model not in terms:
            continue
        units = Quantities(*(int(one) for one in sums))
        weights[local_day(starts_at, zone)] += rate(units, unit_prices(terms[model], model))
        used[model] = used[model] + units
    # Days without calls count as zero from the first day with calls.
    first = min(weights, default=today)
    days = (first + timedelta(days=at) for at in range((today - first).days))
    return _PastUsage({day: weights.get(day, 0) for day in days}, used)


def _remaining_days(
    now: datetime, ends_at: datetime, zone: ZoneInfo
) -> list[tuple[date, Fraction]]:
    """Return the days to the period's end with their remaining share: part of today, then 1."""
    today = local_day(now, zone)
    day_start, day_end = (
        local_midnight(today, zone),
        local_midnight(today + timedelta(days=1), zone),
    )
    remaining_share = Fraction(
        (day_end - now) // timedelta(seconds=1), (day_end - day_start) // timedelta(seconds=1)
    )
    following_days = range(1, max(1, (local_day(ends_at, zone) - today).days))
    return [
        (today, remaining_share),
        *((today + timedelta(days=at), Fraction(1)) for at in following_days),
    ]


def _add_expected_usage(
    period_usage: PeriodUsage,
    past: Mapping[str, Quantities],
    share: Fraction,
    terms: Mapping[str, PlanTerms],
) -> PeriodUsage:
    """Return the period's usage plus a share of the past days' usage."""
    additional: defaultdict[UUID, list[ModelUsage]] = defaultdict(list)
    for model, quantities in past.items():
        additional[terms[model].version_id()].append(
            ModelUsage(model, _scale_quantities(quantities, share))
        )
    terms_usages = [
        replace(
            terms_usage,
            consumed=_merge_usage(
                terms_usage.consumed, additional.pop(terms_usage.terms.version_id(), ())
            ),
        )
        for terms_usage in period_usage.terms_usages
    ]
    added = [
        TermsUsage(terms[consumed[0].model], Fraction(1), consumed)
        for consumed in additional.values()
    ]
    return replace(period_usage, terms_usages=[*terms_usages, *added])


def _scale_quantities(quantities: Quantities, share: Fraction) -> Quantities:
    """Multiply the quantity of each meter by the share, rounded down."""
    return Quantities(*(int(quantities.get(meter) * share) for meter in METERS))


def _merge_usage(
    current: Iterable[ModelUsage], additional: Iterable[ModelUsage]
) -> list[ModelUsage]:
    """Add up two lists of usage by model."""
    merged = {usage.model: usage for usage in current}
    for usage in additional:
        existing = merged.get(usage.model, ModelUsage(usage.model, Quantities()))
        merged[usage.model] = replace(existing, quantities=existing.quantities + usage.quantities)
    return list(merged.values())
