"""Pauses of a subscription: a gap between two phases on the same plan version.

    active -> pause -> (end of the paid period) paused -> resume (now, or at a set time) -> active

While paused, the account has no fee and no included units, and pays list prices. The last phase
before a pause is marked, which distinguishes a pause from a cancellation.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, profile_time_zone
from billing.audit_events import MoneyEvent, log_event
from billing.dates import local_day_start, local_midnight
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import load_terms
from billing.subscriptions.subscriptions import (
    SubscriptionError,
    add_phase,
    delete_following_phases,
    paid_period_end,
    require_subscription,
)
from billing.tables import SubscriptionPhase
from infra.clock import Clock

LONGEST_PAUSE = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class PausedPlan:
    """A paused plan: its last phase, its terms, and when it continues (None: when resumed)."""

    phase: SubscriptionPhase
    terms: PlanTerms
    resumes_at: datetime | None


class ResumptionTimeInvalid(SubscriptionError):
    """The time to resume at is not within a year after the beginning of the pause."""

    status = 400
    code = "invalid_value"


async def find_paused_phase(
    session: AsyncSession, account_id: UUID, at: datetime
) -> SubscriptionPhase | None:
    """Return the last phase before a pause in which the account is at an instant, or None."""
    query = (
        select(SubscriptionPhase)
        .where(
            col(SubscriptionPhase.account_id) == account_id,
            col(SubscriptionPhase.starts_at) <= at,
        )
        .order_by(col(SubscriptionPhase.starts_at).desc(), col(SubscriptionPhase.ends_at).desc())
        .limit(1)
    )
    phase = (await session.scalars(query)).one_or_none()
    if phase is None or not phase.paused or phase.ends_at is None or phase.ends_at > at:
        return None
    return phase


async def find_resumption(
    session: AsyncSession, account_id: UUID, at: datetime
) -> SubscriptionPhase | None:
    """Return the phase that begins when the pause ends, or None if no time is set."""
    query = (
        select(SubscriptionPhase)
        .where(
            col(SubscriptionPhase.account_id) == account_id, col(SubscriptionPhase.starts_at) > at
        )
        .order_by(col(SubscriptionPhase.starts_at))
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def find_paused_plan(
    session: AsyncSession, account_id: UUID, at: datetime
) -> PausedPlan | None:
    """Return the plan that is paused at an instant, or None."""
    phase = await find_paused_phase(session, account_id, at)
    if phase is None:
        return None
    terms = (await load_terms(session, [phase.plan_version_id]))[phase.plan_version_id]
    resumption = await find_resumption(session, account_id, at)
    return PausedPlan(phase, terms, None if resumption is None else resumption.starts_at)


def parse_resumption_day(text: str, zone: ZoneInfo) -> datetime | None:
    """Parse a day (2026-12-31) as its midnight in a zone; None if empty.

    Raises ResumptionTimeInvalid.
    """
    if not text:
        return None
    try:
        return local_midnight(date.fromisoformat(text), zone)
    except ValueError as error:
        message = f"{text[:40]!r} is not a day. Use the form 2026-12-31."
        raise ResumptionTimeInvalid(message, param="resumes_on") from error


async def pause_subscription(
    session: AsyncSession, clock: Clock, account_id: UUID, resumes_at: datetime | None
) -> SubscriptionPhase:
    """Pause the subscription from the end of the paid period until `resumes_at` or a resumption.

    Replaces a scheduled change, cancellation or pause. Returns the phase that ends. Raises
    NotSubscribed, ResumptionTimeInvalid.
    """
    profile = await lock_profile(session, account_id)
    now = clock.now()
    subscription = await require_subscription(session, account_id, now)
    phase = subscription.phase
    starts_at = await paid_period_end(session, subscription, now)
    if resumes_at is not None and not starts_at < resumes_at <= starts_at + LONGEST_PAUSE:
        raise ResumptionTimeInvalid(
            "The pause begins at the end of the paid period, "
            f"{starts_at.isoformat()}. Set a time after it, at most a year later.",
            param="resumes_at",
        )
    await delete_following_phases(session, account_id, now)
    phase.ends_at, phase.paused = starts_at, True
    await session.flush()
    if resumes_at is not None:
        fees_from = local_day_start(resumes_at, profile_time_zone(profile))
        add_phase(session, account_id, phase.plan_version_id, resumes_at, fees_from)
        await session.flush()
    version_id = phase.plan_version_id
    log_event(session, MoneyEvent.PLAN_PAUSED, account_id, plan_version_id=version_id, at=starts_at)
    return phase


async def end_pause(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> SubscriptionPhase | None:
    """End the pause now, on the plan version from before it. Returns None if there is no pause.

    Returns the new phase; the caller charges the fee.
    """
    profile = await lock_profile(session, account_id)
    now = clock.now()
    paused = await discard_pause(session, account_id, now)
    if paused is None:
        return None
    day_start = local_day_start(now, profile_time_zone(profile))
    phase = add_phase(session, account_id, paused.plan_version_id, now, day_start)
    await session.flush()
    version_id = phase.plan_version_id
    log_event(session, MoneyEvent.PLAN_RESUMED, account_id, plan_version_id=version_id)
    return phase


async def discard_pause(
    session: AsyncSession, account_id: UUID, now: datetime
) -> SubscriptionPhase | None:
    """Turn a pause into a cancelled subscription. Returns its last phase, or None if not paused."""
    paused = await find_paused_phase(session, account_id, now)
    if paused is not None:
        await delete_following_phases(session, account_id, now)
        paused.paused = False
        await session.flush()
    return paused
