"""Offers: the plans that an account can take, what one would cost now, and taking it.

Whoever is on no plan begins, whoever is on one changes (billing/plan_changes/plan_changes.py). Owns
that choice, made under the account's lock so that two clicks are one.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import currency_of, lock_profile, read_profile, zone
from billing.dates import day_of, midnight
from billing.invoices.calculation import amounts_of
from billing.plan_changes.plan_changes import (
    Change,
    ChangePreview,
    change_plan,
    preview_change,
    start,
)
from billing.rating.fees import Calendar, fee_line
from billing.rating.terms import LIST_PLAN, Alignment, PlanTerms
from billing.subscriptions.plans import (
    PlanNotFound,
    find_version,
    is_listed,
    list_versions,
    no_such_plan,
    terms_of,
    unlisted_plans,
)
from billing.subscriptions.subscriptions import SamePlan, standing_of
from billing.tables import BillingProfile, PlanVersion
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan that can be taken, in its newest version."""

    version: PlanVersion
    terms: PlanTerms


async def offers(session: AsyncSession, account_id: UUID) -> list[Offer]:
    """The newest version of each plan in the account's currency, but for those that are offered to
    nobody. The list is what holds without a plan, so it is not offered."""
    currency = await currency_of(session, account_id)
    unlisted = await unlisted_plans(session)
    newest = {
        row.plan: row
        for row in await list_versions(session)
        if row.currency == currency
        and row.plan != LIST_PLAN
        and (row.plan, currency) not in unlisted
    }
    terms = await terms_of(session, [row.id for row in newest.values()])
    return [Offer(row, terms[row.id]) for row in newest.values()]


async def find_offer(session: AsyncSession, account_id: UUID, plan: str) -> PlanVersion:
    """The version that an account gets who wants a plan now. Raises PlanNotFound, also for what
    is offered to nobody, whose name is nobody's business."""
    if plan == LIST_PLAN:
        raise PlanNotFound("The list is no plan to take: it holds without one.", param="plan")
    currency = await currency_of(session, account_id)
    # What is no name of a plan may be nothing that the database takes for a text.
    if not plan.isidentifier() or not await is_listed(session, plan, currency):
        raise no_such_plan(plan, currency)
    return await find_version(session, plan, currency)


async def take(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> Change:
    """Begin with a plan, or change to it; taking the one that the account is on changes nothing.

    Raises PlanCurrencyDiffers.
    """
    await lock_profile(session, account_id)
    standing = await standing_of(session, account_id, clock.now())
    if standing is None:
        return await start(session, clock, account_id, version)
    try:
        return await change_plan(session, clock, account_id, version)
    except SamePlan:
        return Change(standing.phase)


async def preview(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> ChangePreview:
    """What `take` would invoice now. Raises SamePlan."""
    now = clock.now()
    if await standing_of(session, account_id, now) is not None:
        return await preview_change(session, clock, account_id, version)
    profile = await read_profile(session, account_id)
    terms = (await terms_of(session, [version.id]))[version.id]
    today = day_of(now, zone(profile))
    fee = fee_line(terms, _calendar(profile, terms, today), midnight(today, zone(profile)))
    lines = (fee,) if fee.minor and not terms.trial_days else ()
    return ChangePreview(True, lines, await amounts_of(session, profile, lines))


def _calendar(profile: BillingProfile, terms: PlanTerms, today: date) -> Calendar:
    """As it would be with the plan; some let months begin when the trial is over."""
    if terms.alignment is Alignment.CALENDAR:
        return Calendar(zone(profile), profile.anchor_day)
    return Calendar(zone(profile), (today + timedelta(days=terms.trial_days)).day)
