"""Available credit of accounts: corrects the credit quota from metered to invoiced amounts.

    available = credit limit + wallet - unpaid usage on invoices - usage not invoiced yet,
                at most what the plan's spend cap leaves of the current period

Calls are charged to the credit quota at once, at the highest price that a unit outside the included
units can have. The billing credit entry corrects this from the rated usage: it returns included
units and discounts, releases paid invoices, and replaces usage by the invoice that bills it. So
limits apply at every moment, and they apply to invoiced amounts.

Amounts are before tax, as the prices of calls are.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from billing.invoices.calculation import compute_amounts, load_usage_by_period
from billing.invoices.headroom import load_credit_funds
from billing.invoices.included_units import sync_allowance_quotas
from billing.invoices.usage_position import UsagePosition, cost_with_reserve, load_usage_position
from billing.metering.quotas import set_billing_credit
from billing.rating.statement import LineKind
from billing.subscriptions.periods import list_open_periods
from billing.tables import BillingPeriod, BillingProfile, StaleCredit
from infra.clock import Clock


async def refresh_account_credit(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Recompute the account's available credit; billing profile or usage totals must be locked.

    A pending credit refresh stays pending: the job that clears it also sends the alerts.
    """
    profile = await get_profile(session, account_id)
    await recompute_available_credit(
        session, clock, await load_usage_position(session, profile, clock.now())
    )


async def clear_pending_credit_refresh(session: AsyncSession, account_id: UUID) -> bool:
    """Clear the account's pending credit refresh; return whether there was one.

    New usage in the totals marks the account for a refresh again.
    """
    condition = col(StaleCredit.account_id) == account_id
    deleted = await session.execute(delete(StaleCredit).where(condition).returning(condition))
    return deleted.first() is not None


async def recompute_available_credit(
    session: AsyncSession, clock: Clock, position: UsagePosition
) -> None:
    """Set what an account may still spend, and its included units, from its usage so far."""
    account_id, terms = position.account_id, position.terms
    funds = await load_credit_funds(session, position)
    metered = await _sum_metered_cost(session, position)
    displaced = await sync_allowance_quotas(session, position)
    amount = funds.wallet - funds.owed_for_usage + metered - position.uninvoiced_cost - displaced
    if terms is not None and terms.spend_cap is not None:
        period_cost = cost_with_reserve(position.current_period.terms_usages)
        below_cap = terms.spend_cap - period_cost - displaced
        amount = min(amount, metered + below_cap - funds.credit_limit)
    await set_billing_credit(session, clock, account_id, amount)


async def sum_uninvoiced_usage(
    session: AsyncSession, profile: BillingProfile, now: datetime
) -> int:
    """Return the amount of usage that is not on a final invoice, in minor units with tax.

    Minimum charges are included for periods that have ended.
    """
    total = 0
    periods = await list_open_periods(session, profile.account_id)
    for usage in await load_usage_by_period(session, profile, periods):
        lines = usage.lines()
        if usage.period.ends_at > now:
            lines = [line for line in lines if line.kind is not LineKind.MINIMUM]
        total += (await compute_amounts(session, profile, lines)).taxed.total
    return total


async def _sum_metered_cost(session: AsyncSession, position: UsagePosition) -> int:
    """Return the cost charged to the credit quota by calls in the usage totals, in nano-units."""
    closed = select(func.coalesce(func.sum(BillingPeriod.cost_nano), 0)).where(
        col(BillingPeriod.account_id) == position.account_id,
        col(BillingPeriod.closed_at).is_not(None),
    )
    closed_cost = int((await session.execute(closed)).scalar_one())
    return closed_cost + sum(usage.cost_nano for usage in position.uninvoiced_periods)
