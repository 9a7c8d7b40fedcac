"""Usage position: an account's uninvoiced usage and terms at one time, loaded once.

Available credit, alerts and previews share one position instead of loading the usage again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency
from billing.invoices.calculation import (
    PeriodUsage,
    TermsInForce,
    TermsUsage,
    load_usage_under_terms,
)
from billing.rating.terms import PlanTerms
from billing.subscriptions.covered_calls import list_coverage_spans
from billing.subscriptions.periods import list_periods_from
from billing.subscriptions.plans import load_terms
from billing.subscriptions.subscriptions import find_phase_at, list_phases
from billing.subscriptions.usage_totals import covered_units_by_quota
from billing.tables import BillingProfile


@dataclass(frozen=True, slots=True)
class UsagePosition:
    """An account's usage and terms at a time.

    `current_period` is the billing period at that time and `terms` are the terms of the plan.
    `uninvoiced_periods` are all periods without a final invoice, oldest first. `covered_units` are
    the included units used by aggregated calls, by quota id. `active_version_ids` are the versions
    of plan and contract terms in force.
    """

    profile: BillingProfile
    currency: str
    at: datetime
    current_period: PeriodUsage
    uninvoiced_periods: Sequence[PeriodUsage]
    terms: PlanTerms | None
    covered_units: Mapping[UUID, int]
    active_version_ids: frozenset[UUID] = frozenset()

    @property
    def account_id(self) -> UUID:
        """The id of the account whose usage it is."""
        return self.profile.account_id

    @property
    def uninvoiced_cost(self) -> int:
        """The cost of uninvoiced usage, plus the package or flat price of the next unit (nano)."""
        return sum(cost_with_reserve(usage.terms_usages) for usage in self.uninvoiced_periods)


async def load_usage_position(
    session: AsyncSession, profile: BillingProfile, at: datetime
) -> UsagePosition:
    """Load an account's usage and terms at a time; billing profile or totals must be locked."""
    account_id = profile.account_id
    # Creates the current period if missing, because the reserve for the first unit's extra cost
    # must be held from its start.
    periods = await list_periods_from(session, account_id, at)
    since = min(at, periods[0].starts_at)
    phases = await list_phases(session, account_id, since)
    coverage = await list_coverage_spans(session, account_id, since)
    in_force: list[TermsInForce] = [*phases, *coverage]
    # Loaded before the totals: if usage is aggregated between the two queries, the remaining units
    # are too few and not too many.
    covered_units = await covered_units_by_quota(session, account_id) if in_force else {}
    usages = await load_usage_under_terms(session, profile, periods, in_force)
    phase = find_phase_at(phases, at)
    terms = {} if phase is None else await load_terms(session, [phase.plan_version_id])
    return UsagePosition(
        profile,
        await get_account_currency(session, account_id),
        at,
        next(usage for usage in usages if usage.period.ends_at > at),
        [usage for usage in usages if usage.period.closed_at is None],
        None if phase is None else terms[phase.plan_version_id],
        covered_units,
        frozenset(span.plan_version_id for span in in_force if _is_in_force(span, at)),
    )


def _is_in_force(span: TermsInForce, at: datetime) -> bool:
    """Return whether an instant lies in the span; the end is exclusive, None is open."""
    return span.starts_at <= at and (span.ends_at is None or span.ends_at > at)


def cost_with_reserve(usages: Sequence[TermsUsage]) -> int:
    """Return the cost of usage, plus the package or flat price of the next unit (nano-units)."""
    totals = [usage.running_total() for usage in usages]
    return sum(total.amount + total.reserve for total in totals)
