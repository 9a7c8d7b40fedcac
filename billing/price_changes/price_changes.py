"""Price changes: move the accounts of a plan to its newer version, after a notice.

    preview -> announce (e-mail to each account) -> effective date -> end of each paid period
            -> withdraw

An account keeps its version until the end of the period that it has paid on the effective date.
Until then it can cancel or take another plan, which leaves it out of the change.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile, profile_time_zone
from billing.dates import local_day
from billing.money import minor_text
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.plan_changes.plan_changes import schedule_plan
from billing.plan_changes.price_change_views import AffectedAccount, PriceChangePreview
from billing.rating.terms import PlanTerms
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import (
    PlanVersion,
    PriceChange,
    PriceChangeAccount,
    PriceChangeState,
    SubscriptionPhase,
)
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PRICE_CHANGE_ID_PREFIX = "prc"
SHORTEST_NOTICE = timedelta(days=30)


class PriceChangeInvalid(AppError):
    """The price change cannot be announced as requested."""

    status = 400
    type = "invalid_request_error"
    code = "price_change_invalid"


class PriceChangeNotFound(AppError):
    """There is no open price change with this id."""

    status = 404
    type = "invalid_request_error"
    code = "price_change_not_found"


async def announce_price_change(
    session: AsyncSession, clock: Clock, preview: PriceChangePreview, effective_at: datetime
) -> PriceChange:
    """Announce a previewed change to its accounts by e-mail. Raises PriceChangeInvalid."""
    version, now = preview.version, clock.now()
    if effective_at < now + SHORTEST_NOTICE:
        raise PriceChangeInvalid(
            f"A price change needs a notice of {SHORTEST_NOTICE.days} days. The earliest date is "
            f"{(now + SHORTEST_NOTICE).date() + timedelta(days=1)}.",
            param="effective",
        )
    if not preview.accounts:
        raise PriceChangeInvalid("No account is on an earlier version of the plan.", param="plan")
    change = await _insert_change(session, version, now, effective_at)
    session.add_all(
        PriceChangeAccount(
            price_change_id=change.id,
            account_id=one.account_id,
            from_version_id=one.version_id,
            state=PriceChangeState.ANNOUNCED.value,
        )
        for one in preview.accounts
    )
    await session.flush()
    for one in preview.accounts:
        await _send_notice(session, clock, change, preview.terms, one)
    return change


async def withdraw_price_change(
    session: AsyncSession, clock: Clock, change_id: UUID
) -> PriceChange:
    """Withdraw an open change; accounts that are scheduled already still change.

    Raises PriceChangeNotFound.
    """
    change = await session.get(PriceChange, change_id, with_for_update=True)
    if change is None or change.closed_at is not None:
        raise PriceChangeNotFound("There is no open price change with this id.", param="id")
    await session.execute(
        update(PriceChangeAccount)
        .where(
            col(PriceChangeAccount.price_change_id) == change_id,
            col(PriceChangeAccount.state) == PriceChangeState.ANNOUNCED.value,
        )
        .values(state=PriceChangeState.WITHDRAWN.value)
    )
    change.closed_at = clock.now()
    await session.flush()
    return change


async def list_due_price_changes(
    session: AsyncSession, now: datetime
) -> Sequence[tuple[UUID, UUID]]:
    """List (price change, account) to schedule now. For operators: reads across accounts."""
    query = (
        select(col(PriceChangeAccount.price_change_id), col(PriceChangeAccount.account_id))
        .join(PriceChange, col(PriceChange.id) == col(PriceChangeAccount.price_change_id))
        .where(
            col(PriceChange.effective_at) <= now,
            col(PriceChangeAccount.state) == PriceChangeState.ANNOUNCED.value,
        )
        .order_by(col(PriceChangeAccount.account_id))
    )
    return [(change_id, account_id) for change_id, account_id in await session.execute(query)]


async def apply_price_change(
    session: AsyncSession, clock: Clock, change_id: UUID, account_id: UUID
) -> PriceChangeState:
    """Schedule an account's change to the new version at the end of its paid period.

    A paused account changes after its pause; one that left the plan or cancelled it is skipped.
    """
    change = await session.get_one(PriceChange, change_id, with_for_update=True)
    row = await session.get_one(PriceChangeAccount, (change_id, account_id), with_for_update=True)
    if row.state == PriceChangeState.ANNOUNCED.value:
        state = await _move(session, clock, change, row)
        row.state = state.value
        await session.flush()
        await _close_if_done(session, clock, change)
    return PriceChangeState(row.state)


async def _move(
    session: AsyncSession, clock: Clock, change: PriceChange, row: PriceChangeAccount
) -> PriceChangeState:
    """Schedule the change if the account is still on the version it was announced for."""
    subscription = await find_subscription(session, row.account_id, clock.now())
    phase = None if subscription is None else subscription.phase
    if phase is not None and phase.plan_version_id == row.from_version_id:
        if phase.ends_at is None:
            version = await session.get_one(PlanVersion, change.plan_version_id)
            await schedule_plan(session, clock, row.account_id, version)
            return PriceChangeState.SCHEDULED
        if phase.paused:
            return PriceChangeState.ANNOUNCED
    if phase is None and await _is_paused(session, row):
        return PriceChangeState.ANNOUNCED
    return PriceChangeState.SKIPPED


async def _is_paused(session: AsyncSession, row: PriceChangeAccount) -> bool:
    """Return whether the account's last phase on the announced version ends with a pause."""
    query = select(SubscriptionPhase).where(
        col(SubscriptionPhase.account_id) == row.account_id,
        col(SubscriptionPhase.plan_version_id) == row.from_version_id,
        col(SubscriptionPhase.paused),
    )
    return (await session.scalars(query.limit(1))).one_or_none() is not None


async def _insert_change(
    session: AsyncSession, version: PlanVersion, now: datetime, effective_at: datetime
) -> PriceChange:
    """Store the change. Raises PriceChangeInvalid if the plan has an open one."""
    change_id = ids.new_id()
    inserted = await session.execute(
        insert(PriceChange)
        .values(
            id=change_id,
            plan=version.plan,
            currency=version.currency,
            plan_version_id=version.id,
            effective_at=effective_at,
            announced_at=now,
        )
        .on_conflict_do_nothing()
        .returning(col(PriceChange.id))
    )
    if inserted.scalar_one_or_none() is None:
        raise PriceChangeInvalid(
            "The plan has an open price change. Withdraw it first.", param="plan"
        )
    return await session.get_one(PriceChange, change_id)


async def _send_notice(
    session: AsyncSession,
    clock: Clock,
    change: PriceChange,
    terms: PlanTerms,
    account: AffectedAccount,
) -> None:
    """Enqueue the e-mail about the change to an account, once."""
    profile = await get_profile(session, account.account_id)
    notice = EmailNotice(
        "price_change",
        {
            "plan": terms.names[profile.locale],
            "day": local_day(change.effective_at, profile_time_zone(profile)).isoformat(),
            "before": f"{minor_text(account.fee, change.currency)} {change.currency}",
            "after": f"{minor_text(terms.fixed_fee, change.currency)} {change.currency}",
        },
    )
    await enqueue_email(
        session, clock, profile, f"price_change:{change.id}:{account.account_id}", notice
    )


async def _close_if_done(session: AsyncSession, clock: Clock, change: PriceChange) -> None:
    """Close the change once no account is left to schedule."""
    query = select(func.count()).where(
        col(PriceChangeAccount.price_change_id) == change.id,
        col(PriceChangeAccount.state) == PriceChangeState.ANNOUNCED.value,
    )
    if (await session.execute(query)).scalar_one() == 0:
        change.closed_at = clock.now()
        await session.flush()
