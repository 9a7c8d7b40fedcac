"""Calculation of a billing period's usage, statement lines and amounts.

The preview of the current period, the draft and the final invoice are all computed here, from the
usage totals and the terms. Read-only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, profile_tax
from billing.dates import billing_month_share, parse_time_zone
from billing.rating.allowance_use import AllowanceBalance, allowance_balances
from billing.rating.fees import BillingCalendar
from billing.rating.statement import (
    NO_EXTRA_UNITS,
    AllowanceUsage,
    ExtraUnits,
    LineKind,
    ModelUsage,
    RunningTotal,
    StatementLine,
    allowance_usage,
    running_total,
    usage_lines,
)
from billing.rating.taxes import Tax, TaxedAmount, apply_tax
from billing.rating.terms import LIST_PLAN, PlanTerms
from billing.subscriptions.add_ons import Span, included_by_add_ons, list_add_ons
from billing.subscriptions.covered_calls import CoverageSpan, list_coverage_spans
from billing.subscriptions.plans import PlanNotFound, find_plan_version, load_terms
from billing.subscriptions.subscriptions import list_phases
from billing.subscriptions.usage_totals import NO_TERMS_ID, load_period_totals
from billing.tables import BillingPeriod, BillingProfile, SubscriptionPhase

# A time span with terms in force: of the account's plan, or of a contract that covers calls.
TermsInForce = SubscriptionPhase | CoverageSpan
_USAGE_KINDS = frozenset({LineKind.USAGE, LineKind.LATE_USAGE, LineKind.DISCOUNT, LineKind.MINIMUM})


@dataclass(frozen=True, slots=True)
class TermsUsage:
    """The usage of a period under one version of terms.

    `share` is the part of the month in which the terms were in force. `contract` is the tag of the
    contract whose covered calls the terms price, or None for plan terms. Add-ons include `extra`
    units.
    """

    terms: PlanTerms
    share: Fraction
    consumed: Sequence[ModelUsage]
    contract: str | None = None
    extra: ExtraUnits = field(default_factory=lambda: NO_EXTRA_UNITS)

    def lines(self) -> list[StatementLine]:
        """Return the statement lines of the usage."""
        return usage_lines(self.terms, self.share, self.consumed, self.extra)

    def running_total(self) -> RunningTotal:
        """Return the cost so far, and the package or flat price of the next unit (nano-units)."""
        return running_total(self.terms, self.share, self.consumed, self.extra)

    def allowance_usage(self) -> list[AllowanceUsage]:
        """Return the units that each allowance covers, by model and meter."""
        return allowance_usage(self.terms, self.share, self.consumed, self.extra)

    def allowance_balances(self) -> list[AllowanceBalance]:
        """Return the balance of each allowance after the usage."""
        return allowance_balances(self.terms, self.share, self.consumed, self.extra)


@dataclass(frozen=True, slots=True)
class InvoiceAmounts:
    """The totals of an invoice in minor units; `usage` is the net amount of its usage lines."""

    taxed: TaxedAmount
    usage: int


@dataclass(frozen=True, slots=True)
class PeriodUsage:
    """The usage of a billing period by terms version.

    Terms in force come first, then other terms that priced calls. `cost_nano` is the sum of the
    per-call costs in nano-units.
    """

    period: BillingPeriod
    terms_usages: Sequence[TermsUsage]
    cost_nano: int

    def lines(self) -> list[StatementLine]:
        """Return the statement lines of all usage in the period."""
        return [line for usage in self.terms_usages for line in usage.lines()]


async def load_usage_by_period(
    session: AsyncSession, profile: BillingProfile, periods: Sequence[BillingPeriod]
) -> list[PeriodUsage]:
    """Load the usage so far of each of these periods of an account.

    Raises PlanNotFound if usage refers to an unknown terms version.
    """
    if not periods:
        return []
    since = min(period.starts_at for period in periods)
    until = max(period.ends_at for period in periods)
    phases = await list_phases(session, profile.account_id, since, until)
    coverage = await list_coverage_spans(session, profile.account_id, since, until)
    return await load_usage_under_terms(session, profile, periods, [*phases, *coverage])


async def load_period_usage(
    session: AsyncSession, profile: BillingProfile, period: BillingPeriod
) -> PeriodUsage:
    """Load the usage so far of one period. Raises PlanNotFound."""
    (usage,) = await load_usage_by_period(session, profile, [period])
    return usage


async def load_usage_under_terms(
    session: AsyncSession,
    profile: BillingProfile,
    periods: Sequence[BillingPeriod],
    in_force: Sequence[TermsInForce],
) -> list[PeriodUsage]:
    """Load the usage so far of periods, given the terms in force in them. Raises PlanNotFound."""
    account_id = profile.account_id
    totals_by_period = await load_period_totals(
        session, account_id, [period.id for period in periods]
    )
    usages: list[PeriodUsage] = []
    for period in periods:
        totals = totals_by_period[period.id]
        consumed = await _assign_list_prices(session, account_id, dict(totals.consumed))
        spans = [span for span in in_force if _overlaps(span, period)]
        terms_usages = await _usage_by_terms(session, period, spans, consumed)
        usages.append(PeriodUsage(period, terms_usages, totals.cost_nano))
    return usages


async def _usage_by_terms(
    session: AsyncSession,
    period: BillingPeriod,
    in_force: Sequence[TermsInForce],
    consumed: Mapping[UUID, Sequence[ModelUsage]],
) -> list[TermsUsage]:
    """Group the usage of a period by terms version, terms in force first."""
    order = dict.fromkeys([*(span.plan_version_id for span in in_force), *consumed])
    terms = await load_terms(session, order)
    if unknown := order.keys() - terms.keys():
        raise PlanNotFound(f"Usage rows refer to unknown terms: {min(unknown)}.")
    calendar = BillingCalendar(parse_time_zone(period.time_zone), period.anchor_day)
    has_add_ons = any(one.add_ons for one in terms.values())
    rows = await list_add_ons(session, period.account_id, period.starts_at) if has_add_ons else ()
    contracts = {
        span.plan_version_id: span.tag for span in in_force if isinstance(span, CoverageSpan)
    }
    return [
        TermsUsage(
            terms[version_id],
            _month_share(period, in_force, version_id, calendar),
            consumed.get(version_id, ()),
            contracts.get(version_id),
            included_by_add_ons(
                terms[version_id], _spans_in(period, in_force, version_id), rows, calendar
            ),
        )
        for version_id in order
    ]


def sum_lines(
    lines: Iterable[StatementLine], terms: Mapping[UUID, PlanTerms], tax: Tax
) -> InvoiceAmounts:
    """Sum statement lines to invoice amounts with tax.

    Tax is rounded once for all tax-inclusive lines and once for all other lines.
    """
    lines = list(lines)
    sums = [(inclusive, _sum_amounts(lines, terms, inclusive)) for inclusive in (False, True)]
    taxed = [apply_tax(total, inclusive, tax) for inclusive, (total, _) in sums]
    usage = sum(apply_tax(usage, inclusive, tax).net for inclusive, (_, usage) in sums)
    net, added_tax = sum(amount.net for amount in taxed), sum(amount.tax for amount in taxed)
    return InvoiceAmounts(TaxedAmount(net, added_tax, net + added_tax), usage)


async def compute_amounts(
    session: AsyncSession, profile: BillingProfile, lines: Sequence[StatementLine]
) -> InvoiceAmounts:
    """Compute the invoice amounts of statement lines, with the profile's tax."""
    terms = await load_terms(session, {line.version_id for line in lines})
    return sum_lines(lines, terms, profile_tax(profile))


def _sum_amounts(
    lines: Iterable[StatementLine], terms: Mapping[UUID, PlanTerms], inclusive: bool
) -> tuple[int, int]:
    """Sum the lines with (or without) tax-inclusive prices, as (total, usage) in minor units."""
    matching = [line for line in lines if terms[line.version_id].tax_inclusive is inclusive]
    return (
        sum(line.minor for line in matching),
        sum(line.minor for line in matching if line.kind in _USAGE_KINDS),
    )


async def _assign_list_prices(
    session: AsyncSession, account_id: UUID, consumed: dict[UUID, Sequence[ModelUsage]]
) -> dict[UUID, Sequence[ModelUsage]]:
    """Assign usage without terms, from before plans existed, to the current price list."""
    without_terms = consumed.pop(NO_TERMS_ID, None)
    if without_terms is not None:
        currency = await get_account_currency(session, account_id)
        list_version_id = (await find_plan_version(session, LIST_PLAN, currency)).id
        consumed[list_version_id] = _merge_consumed(
            consumed.get(list_version_id, []), without_terms
        )
    return consumed


def _merge_consumed(first: Sequence[ModelUsage], second: Sequence[ModelUsage]) -> list[ModelUsage]:
    """Add up two lists of usage by model, separately for usage in time and late usage."""
    by_model = {usage.model: usage for usage in first}
    for usage in second:
        if usage.model in by_model:
            by_model[usage.model] += usage
        else:
            by_model[usage.model] = usage
    return list(by_model.values())


def _month_share(
    period: BillingPeriod,
    in_force: Sequence[TermsInForce],
    version_id: UUID,
    calendar: BillingCalendar,
) -> Fraction:
    """Return the share of the period's month in which a terms version was in force."""
    shares = (
        billing_month_share(since, until, calendar.zone, calendar.anchor_day)
        for since, until in _spans_in(period, in_force, version_id)
    )
    return sum(shares, Fraction(0))


def _spans_in(
    period: BillingPeriod, in_force: Sequence[TermsInForce], version_id: UUID
) -> list[Span]:
    """Return the parts of a period in which a terms version was in force."""
    return [
        (max(span.starts_at, period.starts_at), _end_within(span, period))
        for span in in_force
        if span.plan_version_id == version_id
    ]


def _overlaps(span: TermsInForce, period: BillingPeriod) -> bool:
    """Return whether terms were in force at any time of the period."""
    has_ended = span.ends_at is not None and span.ends_at <= period.starts_at
    return span.starts_at < period.ends_at and not has_ended


def _end_within(span: TermsInForce, period: BillingPeriod) -> datetime:
    """Return the end of a span of terms, at most the end of the period."""
    return period.ends_at if span.ends_at is None else min(span.ends_at, period.ends_at)
