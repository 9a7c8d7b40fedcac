"""Plans offered to an account: list them, preview the cost, and take one.

Taking a plan starts a subscription or changes the current one. The choice is made under the
account's lock, so that a double submission has no second effect.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import (
    get_account_currency,
    get_profile,
    lock_profile,
    profile_time_zone,
)
from billing.dates import local_day, local_midnight
from billing.invoices.calculation import compute_amounts
from billing.plan_changes.plan_changes import (
    PlanChange,
    PlanChangePreview,
    change_plan,
    preview_plan_change,
    start_plan,
)
from billing.rating.fees import BillingCalendar, fixed_fee_line
from billing.rating.terms import LIST_PLAN, Alignment, PlanTerms
from billing.subscriptions.plans import (
    PlanNotFound,
    find_plan_version,
    is_listed,
    list_plan_versions,
    list_unlisted_plans,
    load_terms,
    plan_not_found,
)
from billing.subscriptions.subscriptions import SamePlan, find_subscription
from billing.tables import BillingProfile, PlanVersion
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class Offer:
    """The newest version of a plan that the account can take, with its terms."""

    version: PlanVersion
    terms: PlanTerms


async def list_offers(session: AsyncSession, account_id: UUID) -> list[Offer]:
    """List the newest version of each listed plan in the account's currency."""
    return await list_public_offers(session, await get_account_currency(session, account_id))


async def list_public_offers(session: AsyncSession, currency: str) -> list[Offer]:
    """List the newest version of each listed plan in a currency.

    The pay-as-you-go list prices apply without a plan, so they are not an offer.
    """
    unlisted = await list_unlisted_plans(session)
    newest = {
        row.plan: row
        for row in await list_plan_versions(session)
        if row.currency == currency
        and row.plan != LIST_PLAN
        and (row.plan, currency) not in unlisted
    }
    terms = await load_terms(session, [row.id for row in newest.values()])
    return [Offer(row, terms[row.id]) for row in newest.values()]


async def find_offer(session: AsyncSession, account_id: UUID, plan: str) -> PlanVersion:
    """Return the newest version of an offered plan.

    Raises PlanNotFound, also for unlisted plans, so that their names are not disclosed.
    """
    if plan == LIST_PLAN:
        raise PlanNotFound(
            "The price list is not a plan. It applies to accounts without a plan.", param="plan"
        )
    currency = await get_account_currency(session, account_id)
    # A name that is no identifier may contain characters that PostgreSQL rejects.
    if not plan.isidentifier() or not await is_listed(session, plan, currency):
        raise plan_not_found(plan, currency)
    return await find_plan_version(session, plan, currency)


async def take_plan(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> PlanChange:
    """Start a subscription to a plan, or change to it. No effect if the account is on it already.

    Raises PlanCurrencyDiffers.
    """
    await lock_profile(session, account_id)
    subscription = await find_subscription(session, account_id, clock.now())
    if subscription is None:
        return await start_plan(session, clock, account_id, version)
    try:
        return await change_plan(session, clock, account_id, version)
    except SamePlan:
        return PlanChange(subscription.phase)


async def preview_plan(
    session: AsyncSession, clock: Clock, account_id: UUID, version: PlanVersion
) -> PlanChangePreview:
    """Return what `take_plan` would invoice now. Raises SamePlan."""
    now = clock.now()
    if await find_subscription(session, account_id, now) is not None:
        return await preview_plan_change(session, clock, account_id, version)
    profile = await get_profile(session, account_id)
    terms = (await load_terms(session, [version.id]))[version.id]
    today = local_day(now, profile_time_zone(profile))
    fee = fixed_fee_line(
        terms,
        _calendar_with_plan(profile, terms, today),
        local_midnight(today, profile_time_zone(profile)),
    )
    lines = (fee,) if fee.minor and not terms.trial_days else ()
    return PlanChangePreview(True, lines, await compute_amounts(session, profile, lines))


def _calendar_with_plan(profile: BillingProfile, terms: PlanTerms, today: date) -> BillingCalendar:
    """Return the calendar on a plan; if by anniversary, months begin on the trial's end day."""
    if terms.alignment is Alignment.CALENDAR:
        return BillingCalendar(profile_time_zone(profile), profile.anchor_day)
    return BillingCalendar(
        profile_time_zone(profile), (today + timedelta(days=terms.trial_days)).day
    )
