"""Rounds: the work of billing that falls due by itself, each piece in a transaction of its own.

Every piece may be tried again, late, twice, or on several machines at once: what it does follows
from what is recorded, not from when it runs. An account with which something is wrong holds up no
other.
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
from billing.collection.dunning import dun, overdue_invoices
from billing.invoices.available_credit import put_right, refresh_credit, take_stale, to_invoice
from billing.invoices.period_close import GRACE, accounts_to_bill, bill_account
from billing.invoices.usage_position import read_position
from billing.ledger.wallets import accounts_with_expiry, expire_grants
from billing.notifications.alerts import alert
from billing.subscriptions.usage_totals import advance
from billing.tables import StaleCredit
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_AT_ONCE = 2
_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class Share:
    """One of several parts of some work, counted from nothing."""

    number: int
    of: int


ALL = Share(0, 1)


async def count_usage(database: Database, clock: Clock) -> int:
    """Take new usage into the totals and put the credit right of whoever used anything."""
    await take_in_usage(database, clock)
    return await put_credit_right(database, clock)


async def take_in_usage(database: Database, clock: Clock) -> int:
    """Take new usage into the totals; gives of how many accounts the credit is to be put right."""
    async with database.transaction() as session:
        await advance(session, clock)
        stale = select(func.count()).select_from(StaleCredit)
        return (await session.execute(stale)).scalar_one()


async def put_credit_right(database: Database, clock: Clock, share: Share = ALL) -> int:
    """Of each account whose totals grew, and tell it what it passed; gives how many there were.

    Others may do the same at the same time: each begins with its share, and goes on with what the
    others have not done yet.
    """
    async with database.transaction() as session:
        stale = sorted((await session.scalars(select(StaleCredit.account_id))).all())
    first = len(stale) * share.number // share.of

    async def refresh(account_id: UUID) -> None:
        await _apart(database, account_id, partial(_refresh, clock=clock, account_id=account_id))

    await _each(stale[first:] + stale[:first], refresh)
    return len(stale)


async def bill_accounts(database: Database, clock: Clock, grace: timedelta = GRACE) -> list[UUID]:
    """Close periods that are over and charge fees that are due; gives the final invoices."""
    async with database.transaction() as session:
        await advance(session, clock)
        due = await accounts_to_bill(session, clock.now())
    invoices: list[UUID] = []

    async def bill(account_id: UUID) -> None:
        work = partial(bill_account, clock=clock, account_id=account_id, grace=grace)
        final = await _apart(database, account_id, work)
        invoices.extend(invoice.id for invoice in final or ())

    await _each(sorted(due), bill)
    await put_credit_right(database, clock)
    return invoices


async def _refresh(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    profile = await lock_profile(session, account_id)
    if not await take_stale(session, account_id):
        return  # another worker was quicker
    position = await read_position(session, profile, clock.now())
    await put_right(session, clock, position)
    await alert(session, clock, position)


async def _each(account_ids: Sequence[UUID], work: Callable[[UUID], Awaitable[None]]) -> None:
    """A few accounts at a time: while the database works for one, this process does for others."""
    waiting = deque(account_ids)

    async def take() -> None:
        while waiting:
            await work(waiting.popleft())

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_AT_ONCE, len(waiting))):
            group.create_task(take())


async def expire_wallets(database: Database, clock: Clock) -> int:
    """Take what is left of grants whose time has passed; gives for how many accounts."""
    await count_usage(database, clock)
    async with database.transaction() as session:
        due = await accounts_with_expiry(session, clock.now())
    for account_id in due:
        await _apart(database, account_id, partial(_expire, clock=clock, account_id=account_id))
    return len(due)


async def _expire(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    profile = await lock_profile(session, account_id)
    needed = await to_invoice(session, profile, clock.now())
    await expire_grants(session, clock, account_id, needed)
    await refresh_credit(session, clock, account_id)


async def dun_accounts(database: Database, clock: Clock) -> int:
    """Take the step that is due of every overdue invoice; gives how many were taken."""
    async with database.transaction() as session:
        overdue = await overdue_invoices(session, clock.now())
    steps = 0
    for account_id, invoice_id in overdue:
        step = partial(dun, clock=clock, account_id=account_id, invoice_id=invoice_id)
        steps += bool(await _apart(database, account_id, step))
    return steps


async def _apart(
    database: Database, account_id: UUID, work: Callable[[AsyncSession], Awaitable[_Done]]
) -> _Done | None:
    """Work for one account, in a transaction of its own: what goes wrong with it is logged."""
    try:
        async with database.transaction() as session:
            done = await work(session)
    except (AppError, SQLAlchemyError) as error:
        log = structlog.get_logger()
        log.error("an account could not be billed", account=account_id.hex, reason=str(error))
        return None
    return done
