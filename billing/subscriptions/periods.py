"""Billing periods of accounts: creation, look-up and change of the billing anchor.

The periods of an account follow one another without gaps.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import (
    DEFAULT_PROFILE,
    create_profile,
    get_profile,
    profile_time_zone,
)
from billing.dates import billing_month_start, local_day, local_midnight, next_billing_month_start
from billing.tables import Account, BillingPeriod, BillingProfile
from infra import ids

_INSERT_BATCH_SIZE = 500  # rows per statement: PostgreSQL limits its parameters to 65535


async def ensure_periods(session: AsyncSession, now: datetime) -> int:
    """Create missing billing periods of all accounts up to now. Returns the number created.

    For operators: reads across accounts (account_id). After downtime, all periods that have
    passed meanwhile are created.
    """
    last = (
        select(col(BillingPeriod.account_id), func.max(BillingPeriod.ends_at).label("ends_at"))
        .group_by(col(BillingPeriod.account_id))
        .subquery()
    )
    query = (
        select(col(Account.id), col(Account.created_at), last.c.ends_at, BillingProfile)
        .join(last, last.c.account_id == col(Account.id), isouter=True)
        .join(BillingProfile, col(BillingProfile.account_id) == col(Account.id), isouter=True)
        .where(or_(last.c.ends_at.is_(None), last.c.ends_at <= now))
        .order_by(col(Account.id))
    )
    missing: list[BillingPeriod] = []
    for account_id, created_at, ends_at, stored_profile in (await session.execute(query)).all():
        profile = stored_profile or await _get_or_create_profile(session, account_id)
        missing += _build_periods_until(
            profile, ends_at or _first_period_start(profile, created_at), now
        )
    await _insert_periods(session, missing)
    return len(missing)


async def ensure_period_at(session: AsyncSession, account_id: UUID, at: datetime) -> BillingPeriod:
    """Return the account's billing period at an instant, creating it if it does not exist.

    An instant before the first period (a clock set back) gives the first period.
    """
    query = (
        select(BillingPeriod)
        .where(col(BillingPeriod.account_id) == account_id, col(BillingPeriod.ends_at) > at)
        .order_by(col(BillingPeriod.starts_at))
        .limit(1)
    )
    period = (await session.scalars(query)).one_or_none()
    if period is not None:
        return period
    account = (await session.scalars(select(Account).where(col(Account.id) == account_id))).one()
    ends = select(func.max(BillingPeriod.ends_at)).where(
        col(BillingPeriod.account_id) == account_id
    )
    ends_at = (await session.execute(ends)).scalar_one()
    profile, created_at = await _get_or_create_profile(session, account_id), account.created_at
    starts_at = ends_at or _first_period_start(profile, created_at)
    await _insert_periods(session, _build_periods_until(profile, starts_at, max(at, created_at)))
    return (await session.scalars(query)).one()


async def list_periods_from(
    session: AsyncSession, account_id: UUID, at: datetime
) -> Sequence[BillingPeriod]:
    """List the open periods, the period at an instant (created if missing) and later ones.

    Oldest first.
    """
    query = (
        select(BillingPeriod)
        .where(
            col(BillingPeriod.account_id) == account_id,
            or_(col(BillingPeriod.closed_at).is_(None), col(BillingPeriod.ends_at) > at),
        )
        .order_by(col(BillingPeriod.starts_at))
    )
    periods = (await session.scalars(query)).all()
    if not periods or periods[-1].ends_at <= at:
        await ensure_period_at(session, account_id, at)
        periods = (await session.scalars(query)).all()
    return periods


async def list_open_periods(session: AsyncSession, account_id: UUID) -> Sequence[BillingPeriod]:
    """List the account's open periods, oldest first."""
    query = (
        select(BillingPeriod)
        .where(col(BillingPeriod.account_id) == account_id, col(BillingPeriod.closed_at).is_(None))
        .order_by(col(BillingPeriod.starts_at))
    )
    return (await session.scalars(query)).all()


async def list_past_periods(
    session: AsyncSession, account_id: UUID, up_to: datetime, limit: int
) -> Sequence[BillingPeriod]:
    """List the account's periods that began by `up_to`, newest first."""
    query = (
        select(BillingPeriod)
        .where(col(BillingPeriod.account_id) == account_id, col(BillingPeriod.starts_at) <= up_to)
        .order_by(col(BillingPeriod.starts_at).desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def restart_period(
    session: AsyncSession, profile: BillingProfile, at: datetime, anchor_day: int
) -> None:
    """End the current period and begin a new one with the local day of `at`.

    Later periods begin on `anchor_day`. The profile must be locked; the caller must rebuild the
    usage totals.
    """
    current = await ensure_period_at(session, profile.account_id, at)
    profile.anchor_day = anchor_day
    day = local_midnight(local_day(at, profile_time_zone(profile)), profile_time_zone(profile))
    if current.starts_at >= day:
        current.ends_at = _period_end(profile, current.starts_at)
        current.anchor_day = anchor_day
        await session.flush()
        return
    current.ends_at = day
    await session.flush()
    await _insert_periods(session, [_build_period(profile, day)])


def _first_period_start(profile: BillingProfile, created_at: datetime) -> datetime:
    """Return the start of the billing month in which the account was created, in UTC."""
    day = local_day(created_at, profile_time_zone(profile))
    return local_midnight(billing_month_start(day, profile.anchor_day), profile_time_zone(profile))


def _period_end(profile: BillingProfile, starts_at: datetime) -> datetime:
    """Return the end of the period that starts at an instant: the next anchor day, in UTC."""
    day = local_day(starts_at, profile_time_zone(profile))
    return local_midnight(
        next_billing_month_start(day, profile.anchor_day), profile_time_zone(profile)
    )


def _build_periods_until(
    profile: BillingProfile, starts_at: datetime, now: datetime
) -> list[BillingPeriod]:
    """Build the periods from `starts_at` to the one that contains `now`."""
    periods: list[BillingPeriod] = []
    while starts_at <= now:
        periods.append(_build_period(profile, starts_at))
        starts_at = periods[-1].ends_at
    return periods


def _build_period(profile: BillingProfile, starts_at: datetime) -> BillingPeriod:
    """Build the period that starts at an instant, with the profile's calendar."""
    return BillingPeriod(
        id=ids.new_id(),
        account_id=profile.account_id,
        starts_at=starts_at,
        ends_at=_period_end(profile, starts_at),
        time_zone=profile.time_zone,
        anchor_day=profile.anchor_day,
    )


async def _insert_periods(session: AsyncSession, periods: Sequence[BillingPeriod]) -> None:
    """Insert periods. Rows that another process inserts at the same time are kept."""
    for offset in range(0, len(periods), _INSERT_BATCH_SIZE):
        rows = [period.model_dump() for period in periods[offset : offset + _INSERT_BATCH_SIZE]]
        statement = insert(BillingPeriod).values(rows)
        await session.execute(
            statement.on_conflict_do_nothing(index_elements=["account_id", "starts_at"])
        )


async def _get_or_create_profile(session: AsyncSession, account_id: UUID) -> BillingProfile:
    """Return the account's billing profile, creating the default one if missing."""
    await create_profile(session, account_id, DEFAULT_PROFILE)
    return await get_profile(session, account_id)
