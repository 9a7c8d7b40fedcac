"""The periodic billing steps: aggregate usage, refresh credit, bill, expire grants, dun.

Each account is processed in its own transaction. Every step is idempotent and may run late, twice
or on several machines at once. An error in one account is logged and does not stop the others.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import select

from billing.accounts.profiles import lock_profile
from billing.collection.dunning import list_overdue_invoices, take_dunning_step
from billing.invoices.available_credit import (
    clear_pending_credit_refresh,
    recompute_available_credit,
    refresh_account_credit,
    sum_uninvoiced_usage,
)
from billing.invoices.period_close import LATE_USAGE_GRACE, close_and_invoice, list_accounts_to_bill
from billing.invoices.usage_position import load_usage_position
from billing.ledger.wallets import expire_grants, list_accounts_with_expired_grants, revoke_grant
from billing.metering.budget_recounts import recount_recent
from billing.notifications.alerts import enqueue_alerts
from billing.price_changes.price_changes import apply_price_change, list_due_price_changes
from billing.subscriptions.usage_totals import aggregate_usage
from billing.tables import StaleCredit
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_CONCURRENCY = 2
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class WorkShare:
    """The part of the accounts that a worker begins with: `number` (from 0) of `of` workers."""

    number: int
    of: int


ALL_ACCOUNTS = WorkShare(0, 1)


async def aggregate_and_refresh_credit(database: Database, clock: Clock) -> int:
    """Aggregate new usage and refresh the affected accounts' credit; return their number."""
    await aggregate_new_usage(database, clock)
    return await refresh_available_credit(database, clock)


async def aggregate_new_usage(database: Database, clock: Clock) -> int:
    """Aggregate new usage into the totals; return how many accounts need a credit refresh."""
    async with database.transaction() as session:
        await aggregate_usage(session, clock)
    async with database.transaction() as session:
        await recount_recent(session, clock.now())
        query = select(func.count()).select_from(StaleCredit)
        return (await session.execute(query)).scalar_one()


async def refresh_available_credit(
    database: Database, clock: Clock, share: WorkShare = ALL_ACCOUNTS
) -> int:
    """Refresh credit of accounts with new usage, beginning at the worker's `share`; send alerts.

    Returns the number of accounts. Several workers may run at once: each begins with its share
    and continues with accounts that the others have not processed yet.
    """
    async with database.transaction() as session:
        account_ids = sorted((await session.scalars(select(StaleCredit.account_id))).all())
    first = len(account_ids) * share.number // share.of

    async def refresh(account_id: UUID) -> None:
        """Recompute the available credit of one account in its own transaction."""
        await _run_in_transaction(
            database, account_id, partial(_refresh_account, clock=clock, account_id=account_id)
        )

    await _for_each_account(account_ids[first:] + account_ids[:first], refresh)
    return len(account_ids)


async def bill_accounts(
    database: Database, clock: Clock, grace: timedelta = LATE_USAGE_GRACE
) -> list[UUID]:
    """Close periods that ended over `grace` ago, invoice due fees; return final invoice ids."""
    async with database.transaction() as session:
        await aggregate_usage(session, clock)
        due = await list_accounts_to_bill(session, clock.now())
    invoices: list[UUID] = []

    async def bill(account_id: UUID) -> None:
        """Close and invoice one account in its own transaction; collect the final invoices' ids."""
        work = partial(close_and_invoice, clock=clock, account_id=account_id, grace=grace)
        final = await _run_in_transaction(database, account_id, work)
        invoices.extend(invoice.id for invoice in final or ())

    await _for_each_account(sorted(due), bill)
    await refresh_available_credit(database, clock)
    return invoices


async def _refresh_account(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Recompute an account's available credit and enqueue alerts, if a refresh is pending."""
    profile = await lock_profile(session, account_id)
    if not await clear_pending_credit_refresh(session, account_id):
        return  # another worker was quicker
    position = await load_usage_position(session, profile, clock.now())
    await recompute_available_credit(session, clock, position)
    await enqueue_alerts(session, clock, position)


async def _for_each_account(
    account_ids: Sequence[UUID], work: Callable[[UUID], Awaitable[None]]
) -> None:
    """Run `work` for each account, with a small concurrency to overlap CPU and database time."""
    pending = deque(account_ids)

    async def worker() -> None:
        """Work on accounts until none is pending."""
        while pending:
            await work(pending.popleft())

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_CONCURRENCY, len(pending))):
            group.create_task(worker())


async def expire_wallets(database: Database, clock: Clock) -> int:
    """Expire the remaining balance of expired wallet grants. Returns the number of accounts."""
    await aggregate_and_refresh_credit(database, clock)
    async with database.transaction() as session:
        due = await list_accounts_with_expired_grants(session, clock.now())
    for account_id in due:
        await _run_in_transaction(
            database,
            account_id,
            partial(_expire_account_grants, clock=clock, account_id=account_id),
        )
    return len(due)


async def _expire_account_grants(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Expire an account's wallet grants except what uninvoiced usage needs."""
    profile = await lock_profile(session, account_id)
    needed = await sum_uninvoiced_usage(session, profile, clock.now())
    await expire_grants(session, clock, account_id, needed)
    await refresh_account_credit(session, clock, account_id)


async def apply_price_changes(database: Database, clock: Clock) -> int:
    """Schedule the due price changes of plans. Returns the number of accounts."""
    async with database.transaction() as session:
        due = await list_due_price_changes(session, clock.now())
    for change_id, account_id in due:
        work = partial(apply_price_change, clock=clock, change_id=change_id, account_id=account_id)
        await _run_in_transaction(database, account_id, work)
    return len(due)


async def revoke_account_grant(
    session: AsyncSession, clock: Clock, account_id: UUID, grant_id: UUID
) -> int:
    """Revoke the unused balance of a wallet grant, except what uninvoiced usage needs.

    Returns the revoked minor units.
    """
    profile = await lock_profile(session, account_id)
    needed = await sum_uninvoiced_usage(session, profile, clock.now())
    revoked = await revoke_grant(session, clock, account_id, grant_id, needed)
    await refresh_account_credit(session, clock, account_id)
    return revoked


async def dun_accounts(database: Database, clock: Clock) -> int:
    """Take the due dunning step of every overdue invoice. Returns the number of steps taken."""
    async with database.transaction() as session:
        overdue = await list_overdue_invoices(session, clock.now())
    steps = 0
    for account_id, invoice_id in overdue:
        step = partial(take_dunning_step, clock=clock, account_id=account_id, invoice_id=invoice_id)
        steps += bool(await _run_in_transaction(database, account_id, step))
    return steps


async def _run_in_transaction(
    database: Database, account_id: UUID, work: Callable[[AsyncSession], Awaitable[_Result]]
) -> _Result | None:
    """Return the result of `work` for one account in a transaction; log errors, return None."""
    try:
        async with database.transaction() as session:
            result = await work(session)
    except (AppError, SQLAlchemyError) as error:
        log = structlog.get_logger()
        log.error("an account could not be billed", account=account_id.hex, reason=str(error))
        return None
    return result
