"""Drafting: what a billing period comes to, line by line, now or when it is over.

The preview of a running month, the draft and the final invoice are all made here, from the totals
of usage and the terms. Changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import currency_of, tax_of
from billing.dates import share_of_month, zone_of
from billing.rating.fees import Calendar
from billing.rating.statement import Consumed, Line, LineKind, Running, running, usage_lines
from billing.rating.taxes import Tax, Taxed, taxed
from billing.rating.terms import LIST_PLAN, PlanTerms
from billing.subscriptions.covered_calls import Covering, coverings_of
from billing.subscriptions.plans import PlanNotFound, find_version, terms_of
from billing.subscriptions.subscriptions import phases_of
from billing.subscriptions.usage_totals import NO_TERMS, totals_of
from billing.tables import BillingPeriod, BillingProfile, SubscriptionPhase

# What terms are in force by: a plan that the account is on, or a contract that covers calls.
InForce = SubscriptionPhase | Covering
_USAGE = frozenset({LineKind.USAGE, LineKind.LATE_USAGE, LineKind.DISCOUNT, LineKind.MINIMUM})


@dataclass(frozen=True, slots=True)
class TermsUsed:
    """A version of terms in a period: how much of it they were in force, and what was used; by
    which `contract` where they cover its calls."""

    terms: PlanTerms
    share: Fraction
    consumed: Sequence[Consumed]
    contract: str | None = None

    def lines(self) -> list[Line]:
        return usage_lines(self.terms, self.share, self.consumed)

    def running(self) -> Running:
        return running(self.terms, self.share, self.consumed)


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the lines of an invoice come to; `usage` is the net part that usage makes."""

    taxed: Taxed
    usage: int


@dataclass(frozen=True, slots=True)
class PeriodUse:
    """A period with what was used in it, by terms: those that were in force first, then others
    that usage names. What its calls cost as they went is `cost_nano`."""

    period: BillingPeriod
    used: Sequence[TermsUsed]
    cost_nano: int

    def lines(self) -> list[Line]:
        return [line for used in self.used for line in used.lines()]


async def use_of(
    session: AsyncSession, profile: BillingProfile, periods: Sequence[BillingPeriod]
) -> list[PeriodUse]:
    """What each of these periods of the account counts so far.

    Raises PlanNotFound where usage names terms that are not kept.
    """
    if not periods:
        return []
    since = min(period.starts_at for period in periods)
    until = max(period.ends_at for period in periods)
    phases = await phases_of(session, profile.account_id, since, until)
    coverings = await coverings_of(session, profile.account_id, since, until)
    return await use_under(session, profile, periods, [*phases, *coverings])


async def period_use(
    session: AsyncSession, profile: BillingProfile, period: BillingPeriod
) -> PeriodUse:
    """The same of one period."""
    (use,) = await use_of(session, profile, [period])
    return use


async def use_under(
    session: AsyncSession,
    profile: BillingProfile,
    periods: Sequence[BillingPeriod],
    in_force: Sequence[InForce],
) -> list[PeriodUse]:
    """The same, where it is known what is in force in these periods."""
    account_id = profile.account_id
    counted = await totals_of(session, account_id, [period.id for period in periods])
    found: list[PeriodUse] = []
    for period in periods:
        totals = counted[period.id]
        consumed = await _with_terms(session, account_id, dict(totals.consumed))
        within = [one for one in in_force if _within(one, period)]
        found.append(
            PeriodUse(period, await _used(session, period, within, consumed), totals.cost_nano)
        )
    return found


async def _used(
    session: AsyncSession,
    period: BillingPeriod,
    in_force: Sequence[InForce],
    consumed: Mapping[UUID, Sequence[Consumed]],
) -> list[TermsUsed]:
    order = dict.fromkeys([*(one.plan_version_id for one in in_force), *consumed])
    terms = await terms_of(session, order)
    if unknown := order.keys() - terms.keys():
        raise PlanNotFound(f"Usage names terms that are not kept: {min(unknown)}.")
    calendar = Calendar(zone_of(period.time_zone), period.anchor_day)
    contracts = {one.plan_version_id: one.tag for one in in_force if isinstance(one, Covering)}
    return [
        TermsUsed(
            terms[version_id],
            _share(period, in_force, version_id, calendar),
            consumed.get(version_id, ()),
            contracts.get(version_id),
        )
        for version_id in order
    ]


def add_up(lines: Iterable[Line], terms: Mapping[UUID, PlanTerms], tax: Tax) -> Amounts:
    """The amounts of lines; tax is rounded once for those that include it and once for others."""
    lines = list(lines)
    parts = [(inclusive, _sums(lines, terms, inclusive)) for inclusive in (False, True)]
    whole = [taxed(total, inclusive, tax) for inclusive, (total, _) in parts]
    used = [taxed(usage, inclusive, tax).net for inclusive, (_, usage) in parts]
    net, added = sum(one.net for one in whole), sum(one.tax for one in whole)
    return Amounts(Taxed(net, added, net + added), sum(used))


async def amounts_of(
    session: AsyncSession, profile: BillingProfile, lines: Sequence[Line]
) -> Amounts:
    terms = await terms_of(session, {line.version_id for line in lines})
    return add_up(lines, terms, tax_of(profile))


def _sums(
    lines: Iterable[Line], terms: Mapping[UUID, PlanTerms], inclusive: bool
) -> tuple[int, int]:
    own = [line for line in lines if terms[line.version_id].tax_inclusive is inclusive]
    return (
        sum(line.minor for line in own),
        sum(line.minor for line in own if line.kind in _USAGE),
    )


async def _with_terms(
    session: AsyncSession, account_id: UUID, consumed: dict[UUID, Sequence[Consumed]]
) -> dict[UUID, Sequence[Consumed]]:
    """Usage that names no terms, from before there were any, is priced by the list."""
    without = consumed.pop(NO_TERMS, None)
    if without is not None:
        currency = await currency_of(session, account_id)
        listed = (await find_version(session, LIST_PLAN, currency)).id
        consumed[listed] = _merged(consumed.get(listed, []), without)
    return consumed


def _merged(ours: Sequence[Consumed], theirs: Sequence[Consumed]) -> list[Consumed]:
    found = {one.model: one for one in ours}
    for one in theirs:
        if one.model in found:
            other = found[one.model]
            found[one.model] = Consumed(
                one.model, other.quantities + one.quantities, other.late + one.late
            )
        else:
            found[one.model] = one
    return list(found.values())


def _share(
    period: BillingPeriod,
    in_force: Sequence[InForce],
    version_id: UUID,
    calendar: Calendar,
) -> Fraction:
    """The days of the period's month in which these terms were in force."""
    spans = [
        (max(one.starts_at, period.starts_at), _until(one, period))
        for one in in_force
        if one.plan_version_id == version_id
    ]
    shares = (
        share_of_month(since, until, calendar.zone, calendar.anchor_day) for since, until in spans
    )
    return sum(shares, Fraction(0))


def _within(one: InForce, period: BillingPeriod) -> bool:
    ended = one.ends_at is not None and one.ends_at <= period.starts_at
    return one.starts_at < period.ends_at and not ended


def _until(one: InForce, period: BillingPeriod) -> datetime:
    return period.ends_at if one.ends_at is None else min(one.ends_at, period.ends_at)
