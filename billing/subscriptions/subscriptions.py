"""Subscriptions: an account's plan version over time, as consecutive subscription phases.

An account is on one plan at a time. A plan change ends the current phase and begins the next.
Every usage row names the terms that priced it, so no usage is lost at a change.

    subscribe -> [trial] -> active -> upgrade (now, prorated) | downgrade (at end of paid period)
                                   -> cancel (now | at end of paid period) -> resume
                                   -> pause (pauses.py)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_account_currency, lock_profile, profile_time_zone
from billing.audit_events import EventFields, MoneyEvent, log_event
from billing.dates import local_day, local_day_start, local_midnight
from billing.rating.fees import BillingCalendar
from billing.rating.terms import Alignment, Interval, PlanTerms
from billing.subscriptions.periods import ensure_period_at, restart_period
from billing.subscriptions.plans import load_terms
from billing.subscriptions.usage_totals import lock_totals, rebuild_totals
from billing.tables import BillingProfile, PlanVersion, SubscriptionPhase
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "sub"


class SubscriptionError(AppError):
    """The operation is not allowed in the subscription's current state."""

    status = 409
    type = "invalid_request_error"


class AlreadySubscribed(SubscriptionError):
    """The account already has a subscription; change that one instead."""

    code = "already_subscribed"


class NotSubscribed(SubscriptionError):
    """The account has no subscription."""

    code = "not_subscribed"


class PlanCurrencyDiffers(SubscriptionError):
    """The plan's currency differs from the account's."""

    code = "plan_currency_differs"


class SamePlan(SubscriptionError):
    """The account is already on this plan version."""

    code = "same_plan"


class NothingToResume(SubscriptionError):
    """The subscription has no scheduled end that could be cancelled."""

    code = "nothing_to_resume"


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """An account's subscription at an instant: the phase, its terms and the following phase."""

    phase: SubscriptionPhase
    terms: PlanTerms
    following: SubscriptionPhase | None


async def list_phases(
    session: AsyncSession, account_id: UUID, since: datetime, until: datetime | None = None
) -> Sequence[SubscriptionPhase]:
    """List the account's subscription phases that overlap a time range, earliest first."""
    query = select(SubscriptionPhase).where(
        col(SubscriptionPhase.account_id) == account_id,
        or_(col(SubscriptionPhase.ends_at).is_(None), col(SubscriptionPhase.ends_at) > since),
    )
    if until is not None:
        query = query.where(col(SubscriptionPhase.starts_at) < until)
    return (await session.scalars(query.order_by(col(SubscriptionPhase.starts_at)))).all()


def find_phase_at(phases: Sequence[SubscriptionPhase], at: datetime) -> SubscriptionPhase | None:
    """Return the phase that is active at an instant, or None."""
    return next(
        (phase for phase in phases if phase.starts_at <= at and _ends_after(phase, at)), None
    )


async def find_subscription(
    session: AsyncSession, account_id: UUID, at: datetime
) -> SubscriptionState | None:
    """Return the account's subscription at an instant, or None if it has none."""
    phases = await list_phases(session, account_id, at)
    phase = find_phase_at(phases, at)
    if phase is None:
        return None
    version_id = phase.plan_version_id
    terms = (await load_terms(session, [version_id]))[version_id]
    return SubscriptionState(phase, terms, phases[1] if len(phases) > 1 else None)


async def require_subscription(
    session: AsyncSession, account_id: UUID, at: datetime
) -> SubscriptionState:
    """Return the account's subscription at an instant. Raises NotSubscribed."""
    subscription = await find_subscription(session, account_id, at)
    if subscription is None:
        raise NotSubscribed("The account has no subscription.")
    return subscription


async def start_subscription(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> SubscriptionPhase:
    """Start a subscription now, with the plan's trial if any; the fee is due after the trial.

    Raises AlreadySubscribed, PlanCurrencyDiffers.
    """
    profile = await lock_profile(session, account_id)
    now = clock.now()
    if await list_phases(session, account_id, now):
        raise AlreadySubscribed("The account already has a subscription. Change or cancel it.")
    terms = await terms_for(session, account_id, version)
    await _align_periods(session, profile, terms, now)
    today = local_day(now, profile_time_zone(profile))
    paid_from = local_midnight(today + timedelta(days=terms.trial_days), profile_time_zone(profile))
    phase = add_phase(session, profile.account_id, version.id, now, paid_from)
    phase.trial = terms.trial_days > 0
    await session.flush()
    log_event(session, MoneyEvent.PLAN_STARTED, account_id, plan_version_id=version.id, at=now)
    return phase


async def switch_plan_now(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> tuple[SubscriptionPhase, SubscriptionPhase]:
    """End the current phase and begin one on another version. Returns the old and new phase.

    The caller charges and credits the fees. Raises NotSubscribed, SamePlan, PlanCurrencyDiffers.
    """
    profile, subscription, now = await _prepare_plan_change(session, clock, account_id, version)
    await delete_following_phases(session, account_id, now)
    subscription.phase.ends_at, subscription.phase.paused = now, False
    await session.flush()
    new_phase = add_phase(
        session, account_id, version.id, now, local_day_start(now, profile_time_zone(profile))
    )
    await session.flush()
    _log_plan_change(session, subscription.phase, new_phase, now)
    return subscription.phase, new_phase


async def schedule_plan_change(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> SubscriptionPhase:
    """Schedule a change to another version at the end of the paid period. Returns the new phase.

    Replaces an earlier scheduled change. Raises NotSubscribed, SamePlan, PlanCurrencyDiffers.
    """
    _profile, subscription, now = await _prepare_plan_change(session, clock, account_id, version)
    await delete_following_phases(session, account_id, now)
    ends_at = await paid_period_end(session, subscription, now)
    subscription.phase.ends_at, subscription.phase.paused = ends_at, False
    await session.flush()
    new_phase = add_phase(session, account_id, version.id, ends_at, ends_at)
    await session.flush()
    _log_plan_change(session, subscription.phase, new_phase, ends_at)
    return new_phase


async def cancel_subscription(
    session: AsyncSession, clock: Clock, account_id: UUID, *, at_end: bool
) -> SubscriptionPhase:
    """End the subscription now or at the end of the paid period. Raises NotSubscribed.

    Afterwards the account pays list prices (pay as you go).
    """
    await lock_profile(session, account_id)
    now = clock.now()
    subscription = await require_subscription(session, account_id, now)
    await delete_following_phases(session, account_id, now)
    ends_at = await paid_period_end(session, subscription, now) if at_end else now
    subscription.phase.ends_at, subscription.phase.paused = ends_at, False
    await session.flush()
    phase = subscription.phase
    fields: EventFields = {"plan_version_id": phase.plan_version_id, "at": phase.ends_at}
    log_event(session, MoneyEvent.PLAN_ENDING, account_id, **fields)
    return subscription.phase


async def resume_subscription(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> SubscriptionPhase:
    """Undo a scheduled cancellation, downgrade or pause. Raises NotSubscribed, NothingToResume."""
    await lock_profile(session, account_id)
    subscription = await require_subscription(session, account_id, clock.now())
    if subscription.phase.ends_at is None:
        raise NothingToResume("The subscription has no scheduled cancellation, downgrade or pause.")
    await delete_following_phases(session, account_id, clock.now())
    await session.flush()
    subscription.phase.ends_at, subscription.phase.paused = None, False
    await session.flush()
    version_id = subscription.phase.plan_version_id
    log_event(session, MoneyEvent.PLAN_RESUMED, account_id, plan_version_id=version_id)
    return subscription.phase


def _log_plan_change(
    session: AsyncSession, old_phase: SubscriptionPhase, new_phase: SubscriptionPhase, at: datetime
) -> None:
    """Log the audit event of a change from one phase's plan version to another's."""
    log_event(
        session,
        MoneyEvent.PLAN_CHANGED,
        new_phase.account_id,
        from_version_id=old_phase.plan_version_id,
        plan_version_id=new_phase.plan_version_id,
        at=at,
    )


async def terms_for(session: AsyncSession, account_id: UUID, version: PlanVersion) -> PlanTerms:
    """Return a version's terms if its currency is the account's. Raises PlanCurrencyDiffers."""
    currency = await get_account_currency(session, account_id)
    if version.currency != currency:
        raise PlanCurrencyDiffers(
            f"The plan is in {version.currency}, but the account's currency is {currency}."
        )
    return (await load_terms(session, [version.id]))[version.id]


async def paid_period_end(
    session: AsyncSession, subscription: SubscriptionState, now: datetime
) -> datetime:
    """Return the end of the paid period; without a fee, the end of the billing period."""
    phase = subscription.phase
    if phase.fees_until > now:
        return phase.fees_until
    return (await ensure_period_at(session, phase.account_id, now)).ends_at


def billing_calendar(profile: BillingProfile) -> BillingCalendar:
    """Return the time zone and billing anchor day of a billing profile."""
    return BillingCalendar(profile_time_zone(profile), profile.anchor_day)


def yearly_fee(terms: PlanTerms) -> int:
    """Return the fixed fee per year in minor units, which decides between up- and downgrade."""
    return terms.fixed_fee * (12 if terms.interval is Interval.MONTH else 1)


async def _prepare_plan_change(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> tuple[BillingProfile, SubscriptionState, datetime]:
    """Lock the billing profile and check the change; return (profile, subscription, now)."""
    profile = await lock_profile(session, account_id)
    now = clock.now()
    subscription = await require_subscription(session, account_id, now)
    if subscription.phase.plan_version_id == version.id:
        raise SamePlan("The account already has this version of the plan.")
    await terms_for(session, account_id, version)
    return profile, subscription, now


async def _align_periods(
    session: AsyncSession, profile: BillingProfile, terms: PlanTerms, now: datetime
) -> None:
    """Move the account's billing periods to the plan's anchor (calendar month or anniversary)."""
    anchor_day = 1
    if terms.alignment is Alignment.ANNIVERSARY:
        paid_from = local_day(now, profile_time_zone(profile)) + timedelta(days=terms.trial_days)
        anchor_day = paid_from.day
    elif profile.anchor_day == 1:
        return
    await lock_totals(session)
    await restart_period(session, profile, now, anchor_day)
    await rebuild_totals(session, profile.account_id)


def add_phase(
    session: AsyncSession,
    account_id: UUID,
    version_id: UUID,
    starts_at: datetime,
    fees_from: datetime,
) -> SubscriptionPhase:
    """Add a phase from `starts_at` on whose first fee is due at `fees_from`, later with a trial."""
    phase = SubscriptionPhase(
        id=ids.new_id(),
        account_id=account_id,
        plan_version_id=version_id,
        starts_at=starts_at,
        fees_from=fees_from,
        fees_until=fees_from,
        created_at=starts_at,
    )
    session.add(phase)
    return phase


async def delete_following_phases(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    """Delete the phases that begin after now, which are scheduled changes."""
    await session.execute(
        delete(SubscriptionPhase).where(
            col(SubscriptionPhase.account_id) == account_id,
            col(SubscriptionPhase.starts_at) > now,
        )
    )


def _ends_after(phase: SubscriptionPhase, at: datetime) -> bool:
    """Return whether the phase lasts beyond an instant."""
    return phase.ends_at is None or phase.ends_at > at
