"""Subscriptions: which plan version an account is on, and when its fees fall due.

An account is on one plan at a time. Its phases follow one another; a change ends one and begins
the next, and every usage row names the terms that priced it, so no change loses usage.

    subscribe -> [trial] -> active -> upgrade (now, prorated) | downgrade (when the paid time ends)
                                   -> cancel (now | when the paid time ends) -> resume
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import currency_of, lock_profile, zone
from billing.audit_events import Facts, MoneyEvent, tell
from billing.dates import day_of, day_start, midnight
from billing.rating.fees import Calendar
from billing.rating.terms import Alignment, Interval, PlanTerms
from billing.subscriptions.periods import begin_anew, running_period
from billing.subscriptions.plans import terms_of
from billing.subscriptions.usage_totals import recount, stop_totals
from billing.tables import BillingProfile, PlanVersion, SubscriptionPhase
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "sub"


class SubscriptionError(AppError):
    """What cannot be done to a subscription as it is."""

    status = 409
    type = "invalid_request_error"


class AlreadySubscribed(SubscriptionError):
    """The account is on a plan, or will be; change that one."""

    code = "already_subscribed"


class NotSubscribed(SubscriptionError):
    """The account is on no plan."""

    code = "not_subscribed"


class PlanCurrencyDiffers(SubscriptionError):
    """The plan's currency is not the account's."""

    code = "plan_currency_differs"


class SamePlan(SubscriptionError):
    """The account is on this version of the plan already."""

    code = "same_plan"


class NothingToResume(SubscriptionError):
    """The subscription has no end that could be taken back."""

    code = "nothing_to_resume"


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's subscription at a moment: its phase with the terms, and the one that follows."""

    phase: SubscriptionPhase
    terms: PlanTerms
    following: SubscriptionPhase | None


async def phases_of(
    session: AsyncSession, account_id: UUID, since: datetime, until: datetime | None = None
) -> Sequence[SubscriptionPhase]:
    """Phases that hold in any part of a time, the first one first."""
    query = select(SubscriptionPhase).where(
        col(SubscriptionPhase.account_id) == account_id,
        or_(col(SubscriptionPhase.ends_at).is_(None), col(SubscriptionPhase.ends_at) > since),
    )
    if until is not None:
        query = query.where(col(SubscriptionPhase.starts_at) < until)
    return (await session.scalars(query.order_by(col(SubscriptionPhase.starts_at)))).all()


def phase_at(phases: Sequence[SubscriptionPhase], at: datetime) -> SubscriptionPhase | None:
    """The one that holds at a moment."""
    return next((one for one in phases if one.starts_at <= at and _goes_on(one, at)), None)


async def standing_of(session: AsyncSession, account_id: UUID, at: datetime) -> Standing | None:
    """The subscription at a moment; None where the account is on no plan then."""
    phases = await phases_of(session, account_id, at)
    phase = phase_at(phases, at)
    if phase is None:
        return None
    version_id = phase.plan_version_id
    terms = (await terms_of(session, [version_id]))[version_id]
    return Standing(phase, terms, phases[1] if len(phases) > 1 else None)


async def require_standing(session: AsyncSession, account_id: UUID, at: datetime) -> Standing:
    """Raises NotSubscribed."""
    standing = await standing_of(session, account_id, at)
    if standing is None:
        raise NotSubscribed("The account is on no plan.")
    return standing


async def subscribe(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> SubscriptionPhase:
    """Begin now, with the plan's trial if it has one; its fee falls due when the trial is over.

    Raises AlreadySubscribed, PlanCurrencyDiffers.
    """
    profile = await lock_profile(session, account_id)
    now = clock.now()
    if await phases_of(session, account_id, now):
        raise AlreadySubscribed("The account is on a plan already; change or cancel it.")
    terms = await terms_for(session, account_id, version)
    await _align(session, profile, terms, now)
    today = day_of(now, zone(profile))
    paid_from = midnight(today + timedelta(days=terms.trial_days), zone(profile))
    phase = _begin(session, profile.account_id, version.id, now, paid_from)
    phase.trial = terms.trial_days > 0
    await session.flush()
    tell(session, MoneyEvent.PLAN_STARTED, account_id, plan_version_id=version.id, at=now)
    return phase


async def change_now(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> tuple[SubscriptionPhase, SubscriptionPhase]:
    """End the phase now and begin one on another version; gives both.

    Whoever calls this settles the fees. Raises NotSubscribed, SamePlan, PlanCurrencyDiffers.
    """
    profile, standing, now = await _for_change(session, clock, account_id, version)
    await _forget_following(session, account_id, now)
    standing.phase.ends_at = now
    await session.flush()
    begun = _begin(session, account_id, version.id, now, day_start(now, zone(profile)))
    await session.flush()
    _tell_change(session, standing.phase, begun, now)
    return standing.phase, begun


async def change_later(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> SubscriptionPhase:
    """Begin another version when the paid time ends; the last such wish holds.

    Raises NotSubscribed, SamePlan, PlanCurrencyDiffers.
    """
    _profile, standing, now = await _for_change(session, clock, account_id, version)
    await _forget_following(session, account_id, now)
    ends_at = await paid_until(session, standing, now)
    standing.phase.ends_at = ends_at
    await session.flush()
    begun = _begin(session, account_id, version.id, ends_at, ends_at)
    await session.flush()
    _tell_change(session, standing.phase, begun, ends_at)
    return begun


async def cancel(
    session: AsyncSession, clock: Clock, account_id: UUID, *, at_end: bool
) -> SubscriptionPhase:
    """End the subscription now, or when the paid time ends. Raises NotSubscribed.

    Afterwards the account pays as it goes, at list prices.
    """
    await lock_profile(session, account_id)
    now = clock.now()
    standing = await require_standing(session, account_id, now)
    await _forget_following(session, account_id, now)
    standing.phase.ends_at = await paid_until(session, standing, now) if at_end else now
    await session.flush()
    phase = standing.phase
    about: Facts = {"plan_version_id": phase.plan_version_id, "at": phase.ends_at}
    tell(session, MoneyEvent.PLAN_ENDING, account_id, **about)
    return standing.phase


async def resume(session: AsyncSession, clock: Clock, account_id: UUID) -> SubscriptionPhase:
    """Take back a cancellation or a downgrade that lies ahead. Raises NotSubscribed,
    NothingToResume."""
    await lock_profile(session, account_id)
    standing = await require_standing(session, account_id, clock.now())
    if standing.phase.ends_at is None:
        raise NothingToResume("The subscription goes on already.")
    await _forget_following(session, account_id, clock.now())
    await session.flush()
    standing.phase.ends_at = None
    await session.flush()
    version_id = standing.phase.plan_version_id
    tell(session, MoneyEvent.PLAN_RESUMED, account_id, plan_version_id=version_id)
    return standing.phase


def _tell_change(
    session: AsyncSession, ended: SubscriptionPhase, begun: SubscriptionPhase, at: datetime
) -> None:
    tell(
        session,
        MoneyEvent.PLAN_CHANGED,
        begun.account_id,
        from_version_id=ended.plan_version_id,
        plan_version_id=begun.plan_version_id,
        at=at,
    )


async def terms_for(session: AsyncSession, account_id: UUID, version: PlanVersion) -> PlanTerms:
    """The terms of a version that an account can be on. Raises PlanCurrencyDiffers."""
    currency = await currency_of(session, account_id)
    if version.currency != currency:
        raise PlanCurrencyDiffers(
            f"The plan is in {version.currency}, the account pays in {currency}."
        )
    return (await terms_of(session, [version.id]))[version.id]


async def paid_until(session: AsyncSession, standing: Standing, now: datetime) -> datetime:
    """The end of the time that is paid for; without a fee, of the billing period."""
    phase = standing.phase
    if phase.fees_until > now:
        return phase.fees_until
    return (await running_period(session, phase.account_id, now)).ends_at


def calendar_of(profile: BillingProfile) -> Calendar:
    return Calendar(zone(profile), profile.anchor_day)


def yearly_fee(terms: PlanTerms) -> int:
    """What the fee comes to in a year: by this a change is up or down."""
    return terms.fixed_fee * (12 if terms.interval is Interval.MONTH else 1)


async def _for_change(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> tuple[BillingProfile, Standing, datetime]:
    profile = await lock_profile(session, account_id)
    now = clock.now()
    standing = await require_standing(session, account_id, now)
    if standing.phase.plan_version_id == version.id:
        raise SamePlan("The account is on this version of the plan.")
    await terms_for(session, account_id, version)
    return profile, standing, now


async def _align(
    session: AsyncSession, profile: BillingProfile, terms: PlanTerms, now: datetime
) -> None:
    """Periods that begin where the plan wants them to."""
    anchor_day = 1
    if terms.alignment is Alignment.ANNIVERSARY:
        paid_from = day_of(now, zone(profile)) + timedelta(days=terms.trial_days)
        anchor_day = paid_from.day
    elif profile.anchor_day == 1:
        return
    await stop_totals(session)
    await begin_anew(session, profile, now, anchor_day)
    await recount(session, profile.account_id)


def _begin(
    session: AsyncSession, account_id: UUID, version_id: UUID, at: datetime, fees_from: datetime
) -> SubscriptionPhase:
    phase = SubscriptionPhase(
        id=ids.new_id(),
        account_id=account_id,
        plan_version_id=version_id,
        starts_at=at,
        fees_from=fees_from,
        fees_until=fees_from,
        created_at=at,
    )
    session.add(phase)
    return phase


async def _forget_following(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    await session.execute(
        delete(SubscriptionPhase).where(
            col(SubscriptionPhase.account_id) == account_id,
            col(SubscriptionPhase.starts_at) > now,
        )
    )


def _goes_on(phase: SubscriptionPhase, at: datetime) -> bool:
    return phase.ends_at is None or phase.ends_at > at
