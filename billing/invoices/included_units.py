"""Included units that an account's calls may still use, of its plan and its outcome contracts.

    remaining = included in the period - applied by the invoice so far
                - used by calls that are not aggregated yet

The invoice applies an allowance where it saves most, whichever calls used its units. So an
allowance can be exhausted on the invoice although no call used it: a call that found all units
leased elsewhere paid, and was credited later. The remaining units are synchronized together with
the available credit, from the same totals, and calls may then use them in any order.

Units that the invoice applies to aggregated calls although calls not aggregated yet have used them
are displaced: their cost is withheld from the available credit, since one of the two must pay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.invoices.calculation import PeriodUsage, load_period_usage
from billing.invoices.usage_position import UsagePosition
from billing.metering.allowances import (
    AllowanceKey,
    create_missing_allowances,
    find_allowance_quotas,
    set_allowance_quotas,
)
from billing.metering.quotas import QuotaRef
from billing.rating.allowance_use import AllowanceBalance
from billing.rating.terms import PlanTerms
from billing.subscriptions.periods import ensure_period_at


@dataclass(frozen=True, slots=True)
class IncludedQuotas:
    """Allowance quotas by terms version, for calls that start in the given time range."""

    quotas: Mapping[UUID, Sequence[QuotaRef]]
    valid_from: datetime
    valid_until: datetime


async def get_included_quotas(
    session: AsyncSession, account_id: UUID, terms: Sequence[PlanTerms], at: datetime
) -> IncludedQuotas:
    """Return the allowance quotas of terms in force at a time; create missing ones."""
    period = await ensure_period_at(session, account_id, at)
    expected = {version.version_id(): len(version.allowances) for version in terms}
    start, version_ids = period.starts_at, expected.keys()
    quotas = await find_allowance_quotas(session, account_id, start, version_ids)
    if any(len(quotas[version_id]) < count for version_id, count in expected.items()):
        usage = await load_period_usage(session, await get_profile(session, account_id), period)
        balances = _allowance_balances_by_key([usage])
        available = {key: balance.remaining for key, balance in balances.items()}
        await create_missing_allowances(session, account_id, available)
        quotas = await find_allowance_quotas(session, account_id, start, version_ids)
    # After a clock was set back, `at` can lie before the first period, which is then used.
    return IncludedQuotas(quotas, min(at, period.starts_at), period.ends_at)


async def sync_allowance_quotas(session: AsyncSession, position: UsagePosition) -> int:
    """Set allowance quotas to the remaining units; return the cost of displaced units (nano).

    Displaced units lose their coverage to other calls; their cost is withheld from the available
    credit.
    """
    balances = _allowance_balances_by_key(position.uninvoiced_periods)
    if not balances:
        return 0
    available = {key: balance.remaining for key, balance in balances.items()}
    excess = await set_allowance_quotas(
        session, position.account_id, available, position.covered_units
    )
    return sum(balances[key].displacement_cost(units) for key, units in excess.items())


def _allowance_balances_by_key(
    usages: Iterable[PeriodUsage],
) -> dict[AllowanceKey, AllowanceBalance]:
    """Return the balance of each allowance in the periods, by period, terms, model and meter."""
    by_key: dict[AllowanceKey, AllowanceBalance] = {}
    for usage in usages:
        for used in usage.terms_usages:
            for balance in used.allowance_balances():
                key = AllowanceKey(
                    usage.period.starts_at,
                    used.terms.version_id(),
                    balance.allowance.model,
                    balance.allowance.meter,
                )
                by_key[key] = balance
    return by_key
