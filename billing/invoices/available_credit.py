"""Credit: what wallet, invoices and rating make of an account's credit.

    left = limit + wallet - owed for usage - usage that is not invoiced yet
           but no more than the plan's spend cap leaves of the running period

Calls count against the credit as they go, at the most that a unit can cost that is not included
(billing/invoices/included_units.py); here that is put right: what a plan includes or discounts is
given back, a paid invoice is free again, and one that became final takes the place of the usage
that it bills. So the cap holds at every moment, and what it holds against is the bill.

Amounts are before tax, as the prices of calls are.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import read_profile
from billing.invoices.calculation import amounts_of, use_of
from billing.invoices.headroom import read_funds
from billing.invoices.included_units import put_included_right
from billing.invoices.usage_position import Position, held_for, read_position
from billing.metering.quotas import set_billing_credit
from billing.rating.statement import LineKind
from billing.subscriptions.periods import open_periods
from billing.tables import BillingPeriod, BillingProfile, StaleCredit
from infra.clock import Clock


async def refresh_credit(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Bring the credit to what the sum above says now. The profile or the totals are locked.

    An account whose totals grew stays marked: who takes the mark tells it what it passed.
    """
    profile = await read_profile(session, account_id)
    await put_right(session, clock, await read_position(session, profile, clock.now()))


async def take_stale(session: AsyncSession, account_id: UUID) -> bool:
    """Whether the totals grew since this was asked last; those that grow from now on mark the
    account anew."""
    stale = col(StaleCredit.account_id) == account_id
    marked = await session.execute(delete(StaleCredit).where(stale).returning(stale))
    return marked.first() is not None


async def put_right(session: AsyncSession, clock: Clock, position: Position) -> None:
    """Bring the credit to what the sum above says at a position."""
    account_id, terms = position.account_id, position.terms
    funds = await read_funds(session, position)
    counted = await _counted(session, position)
    twice = await put_included_right(session, position)
    amount = funds.wallet - funds.owing + counted - position.uninvoiced - twice
    if terms is not None and terms.spend_cap is not None:
        left = terms.spend_cap - held_for(position.running.used) - twice
        amount = min(amount, counted + left - funds.granted)
    await set_billing_credit(session, clock, account_id, amount)


async def to_invoice(session: AsyncSession, profile: BillingProfile, now: datetime) -> int:
    """What usage so far comes to on invoices that are not final yet, in minor units with tax.

    A minimum is a part of it where its period is over.
    """
    total = 0
    for use in await use_of(session, profile, await open_periods(session, profile.account_id)):
        lines = use.lines()
        if use.period.ends_at > now:
            lines = [line for line in lines if line.kind is not LineKind.MINIMUM]
        total += (await amounts_of(session, profile, lines)).taxed.total
    return total


async def _counted(session: AsyncSession, position: Position) -> int:
    """What the calls that are in the totals took of the credit as they went."""
    closed = select(func.coalesce(func.sum(BillingPeriod.cost_nano), 0)).where(
        col(BillingPeriod.account_id) == position.account_id,
        col(BillingPeriod.closed_at).is_not(None),
    )
    before = int((await session.execute(closed)).scalar_one())
    return before + sum(one.cost_nano for one in position.open)
