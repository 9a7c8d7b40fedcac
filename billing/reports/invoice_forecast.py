"""Foreseeing: what the running period's invoice will probably come to.

Past days are weighed at today's prices, whatever allowances paid for them; what is still expected
has their mix of models, and is rated with what was used so far by the functions that make the
invoice.
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

from billing.dates import day_of, midnight, zone_of
from billing.invoice_documents.builder import beside_usage
from billing.invoices.calculation import PeriodUse, TermsUsed, amounts_of
from billing.invoices.usage_position import Position
from billing.rating.quantities import METERS, Quantities, rate
from billing.rating.statement import Consumed, held_prices
from billing.rating.terms import LIST_PLAN, PlanTerms
from billing.reports.usage_model import expect
from billing.subscriptions.plans import PlanNotFound, find_version, terms_of

_HISTORY_DAYS = 28
_SUMS = ", ".join(f"sum({meter}) as {meter}" for meter in METERS)
# Hours first, as in spending.py.
_PAST = f"""
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
class Foreseen:
    """What the invoice will come to, in minor units with tax: probably, and within which range."""

    low: int
    middle: int
    high: int


@dataclass(frozen=True, slots=True)
class _Past:
    """Whole days before today: their weights, and what they used by model."""

    weights: Mapping[date, int]
    used: Mapping[str, Quantities]

    @property
    def weight(self) -> int:
        return sum(self.weights.values())


async def foresee(session: AsyncSession, position: Position) -> Foreseen | None:
    """The running period's invoice at the period's end; None where it is too early to tell."""
    profile, use = position.profile, position.running
    zone = zone_of(use.period.time_zone)
    terms = _terms_by_model(await _listed(session, position), use.used, position.terms)
    past = await _read_past(session, position.account_id, position.at, zone, terms)
    expected = expect(past.weights, _days_ahead(position.at, use.period.ends_at, zone))
    if expected is None:
        return None
    beside = await beside_usage(session, profile, use.period)

    async def total(more: int) -> int:
        share = Fraction(more, past.weight) if past.weight else Fraction(0)
        lines = [*_grown(use, past.used, share, terms).lines(), *beside]
        return (await amounts_of(session, profile, lines)).taxed.total

    low, middle, high = expected.low, expected.middle, expected.high
    return Foreseen(await total(low), await total(middle), await total(high))


async def _listed(session: AsyncSession, position: Position) -> PlanTerms | None:
    """What the list says now, which prices what no plan does; None before there is any."""
    try:
        version = await find_version(session, LIST_PLAN, position.currency)
    except PlanNotFound:
        return None
    return (await terms_of(session, [version.id]))[version.id]


def _terms_by_model(
    listed: PlanTerms | None, used: Sequence[TermsUsed], current: PlanTerms | None
) -> dict[str, PlanTerms]:
    """By which terms further calls of each model will be priced: the plan's where it has the model,
    else those that priced it last, else the list."""
    of_period = [one.terms for one in used if not one.contract]
    in_order = [one for one in (listed, *of_period, current) if one is not None]
    return {price.model: terms for terms in in_order for price in terms.prices}


async def _read_past(
    session: AsyncSession,
    account_id: UUID,
    now: datetime,
    zone: ZoneInfo,
    terms: Mapping[str, PlanTerms],
) -> _Past:
    today = day_of(now, zone)
    values = {
        "account": account_id,
        "zone": zone.key,
        "since": midnight(today - timedelta(days=_HISTORY_DAYS), zone),
        "until": midnight(today, zone),
    }
    rows = (await session.execute(text(_PAST), values)).all()
    weights: defaultdict[date, int] = defaultdict(int)
    used: defaultdict[str, Quantities] = defaultdict(Quantities)
    for starts_at, model, *sums in rows:
        if model not in terms:
            continue
        units = Quantities(*(int(one) for one in sums))
        weights[day_of(starts_at, zone)] += rate(units, held_prices(terms[model], model))
        used[model] = used[model] + units
    # Days without any call count from the first one that had some.
    first = min(weights, default=today)
    days = (first + timedelta(days=at) for at in range((today - first).days))
    return _Past({day: weights.get(day, 0) for day in days}, used)


def _days_ahead(now: datetime, ends_at: datetime, zone: ZoneInfo) -> list[tuple[date, Fraction]]:
    """The rest of today, and each day after it up to the period's end."""
    today = day_of(now, zone)
    begun, over = midnight(today, zone), midnight(today + timedelta(days=1), zone)
    left = Fraction((over - now) // timedelta(seconds=1), (over - begun) // timedelta(seconds=1))
    after = range(1, max(1, (day_of(ends_at, zone) - today).days))
    return [(today, left), *((today + timedelta(days=at), Fraction(1)) for at in after)]


def _grown(
    use: PeriodUse, past: Mapping[str, Quantities], share: Fraction, terms: Mapping[str, PlanTerms]
) -> PeriodUse:
    """The period with so much of what past days used beside what it has."""
    more: defaultdict[UUID, list[Consumed]] = defaultdict(list)
    for model, quantities in past.items():
        more[terms[model].version_id()].append(Consumed(model, _part(quantities, share)))
    used = [
        replace(one, consumed=_merged(one.consumed, more.pop(one.terms.version_id(), ())))
        for one in use.used
    ]
    added = [
        TermsUsed(terms[consumed[0].model], Fraction(1), consumed) for consumed in more.values()
    ]
    return replace(use, used=[*used, *added])


def _part(quantities: Quantities, share: Fraction) -> Quantities:
    return Quantities(*(int(quantities.of(meter) * share) for meter in METERS))


def _merged(ours: Iterable[Consumed], more: Iterable[Consumed]) -> list[Consumed]:
    found = {one.model: one for one in ours}
    for one in more:
        known = found.get(one.model, Consumed(one.model, Quantities()))
        found[one.model] = replace(known, quantities=known.quantities + one.quantities)
    return list(found.values())
