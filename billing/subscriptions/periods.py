"""Billing periods: for which times an account's usage is invoiced together.

The periods of an account follow one another without a gap.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import USUAL, open_profile, read_profile, zone
from billing.dates import day_of, midnight, month_start, next_month_start
from billing.tables import Account, BillingPeriod, BillingProfile
from infra import ids

_AT_ONCE = 500  # rows of one statement, which has a limited number of parameters


async def ensure_periods(session: AsyncSession, now: datetime) -> int:
    """Give every account periods up to now; gives how many were made.

    For operators: it looks across accounts (account_id). After days of downtime it makes all
    periods that have passed meanwhile.
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
    for account_id, created_at, ends_at, known in (await session.execute(query)).all():
        profile = known or await _begun_profile(session, account_id)
        missing += _up_to(profile, ends_at or _first_start(profile, created_at), now)
    await _make(session, missing)
    return len(missing)


async def running_period(session: AsyncSession, account_id: UUID, at: datetime) -> BillingPeriod:
    """The account's period at a moment; made where it is not there yet.

    Before the first, as a clock that was set back may say, it is the first.
    """
    query = (
        select(BillingPeriod)
        .where(col(BillingPeriod.account_id) == account_id, col(BillingPeriod.ends_at) > at)
        .order_by(col(BillingPeriod.starts_at))
        .limit(1)
    )
    found = (await session.scalars(query)).one_or_none()
    if found is not None:
        return found
    account = (await session.scalars(select(Account).where(col(Account.id) == account_id))).one()
    ends = select(func.max(BillingPeriod.ends_at)).where(
        col(BillingPeriod.account_id) == account_id
    )
    ends_at = (await session.execute(ends)).scalar_one()
    profile, begun = await _begun_profile(session, account_id), account.created_at
    starts_at = ends_at or _first_start(profile, begun)
    await _make(session, _up_to(profile, starts_at, max(at, begun)))
    return (await session.scalars(query)).one()


async def periods_from(
    session: AsyncSession, account_id: UUID, at: datetime
) -> Sequence[BillingPeriod]:
    """The open periods and the one of a moment, which is made where it is not there yet, and any
    later ones; the oldest first."""
    query = (
        select(BillingPeriod)
        .where(
            col(BillingPeriod.account_id) == account_id,
            or_(col(BillingPeriod.closed_at).is_(None), col(BillingPeriod.ends_at) > at),
        )
        .order_by(col(BillingPeriod.starts_at))
    )
    found = (await session.scalars(query)).all()
    if not found or found[-1].ends_at <= at:
        await running_period(session, account_id, at)
        found = (await session.scalars(query)).all()
    return found


async def open_periods(session: AsyncSession, account_id: UUID) -> Sequence[BillingPeriod]:
    """The account's periods that still count usage, the oldest first."""
    query = (
        select(BillingPeriod)
        .where(col(BillingPeriod.account_id) == account_id, col(BillingPeriod.closed_at).is_(None))
        .order_by(col(BillingPeriod.starts_at))
    )
    return (await session.scalars(query)).all()


async def past_periods(
    session: AsyncSession, account_id: UUID, up_to: datetime, limit: int
) -> Sequence[BillingPeriod]:
    """The account's periods that began by then, the newest first."""
    query = (
        select(BillingPeriod)
        .where(col(BillingPeriod.account_id) == account_id, col(BillingPeriod.starts_at) <= up_to)
        .order_by(col(BillingPeriod.starts_at).desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def begin_anew(
    session: AsyncSession, profile: BillingProfile, at: datetime, anchor_day: int
) -> None:
    """Let a new period begin with the local day of `at`; later ones begin on the anchor day.

    The profile must be locked. Whoever calls this lets the totals be counted again.
    """
    running = await running_period(session, profile.account_id, at)
    profile.anchor_day = anchor_day
    day = midnight(day_of(at, zone(profile)), zone(profile))
    if running.starts_at >= day:
        running.ends_at = _end_of(profile, running.starts_at)
        running.anchor_day = anchor_day
        await session.flush()
        return
    running.ends_at = day
    await session.flush()
    await _make(session, [_period(profile, day)])


def _first_start(profile: BillingProfile, created_at: datetime) -> datetime:
    day = day_of(created_at, zone(profile))
    return midnight(month_start(day, profile.anchor_day), zone(profile))


def _end_of(profile: BillingProfile, starts_at: datetime) -> datetime:
    day = day_of(starts_at, zone(profile))
    return midnight(next_month_start(day, profile.anchor_day), zone(profile))


def _up_to(profile: BillingProfile, starts_at: datetime, now: datetime) -> list[BillingPeriod]:
    """The periods from one that starts then to the one of now."""
    found: list[BillingPeriod] = []
    while starts_at <= now:
        found.append(_period(profile, starts_at))
        starts_at = found[-1].ends_at
    return found


def _period(profile: BillingProfile, starts_at: datetime) -> BillingPeriod:
    return BillingPeriod(
        id=ids.new_id(),
        account_id=profile.account_id,
        starts_at=starts_at,
        ends_at=_end_of(profile, starts_at),
        time_zone=profile.time_zone,
        anchor_day=profile.anchor_day,
    )


async def _make(session: AsyncSession, periods: Sequence[BillingPeriod]) -> None:
    """Write them. What another process makes at the same time is waited for, and left as it is."""
    for begun in range(0, len(periods), _AT_ONCE):
        rows = [one.model_dump() for one in periods[begun : begun + _AT_ONCE]]
        statement = insert(BillingPeriod).values(rows)
        await session.execute(
            statement.on_conflict_do_nothing(index_elements=["account_id", "starts_at"])
        )


async def _begun_profile(session: AsyncSession, account_id: UUID) -> BillingProfile:
    """The account's profile; the usual one where it has none yet."""
    await open_profile(session, account_id, USUAL)
    return await read_profile(session, account_id)
