"""Price changes as operators and customers see them: affected accounts, past and announced ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import find_plan_version, load_terms
from billing.tables import (
    Account,
    PlanVersion,
    PriceChange,
    PriceChangeAccount,
    PriceChangeState,
    SubscriptionPhase,
)
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class AffectedAccount:
    """An account on an earlier version of the plan; fees in minor units per interval."""

    account_id: UUID
    name: str
    version_id: UUID
    number: int
    fee: int


@dataclass(frozen=True, slots=True)
class PriceChangePreview:
    """What a price change would announce: the new version and the accounts on earlier ones."""

    version: PlanVersion
    terms: PlanTerms
    accounts: Sequence[AffectedAccount]


@dataclass(frozen=True, slots=True)
class AnnouncedPrice:
    """A price change announced to an account and not yet scheduled."""

    version: PlanVersion
    terms: PlanTerms
    effective_at: datetime


async def preview_price_change(
    session: AsyncSession, clock: Clock, plan: str, currency: str, number: int | None = None
) -> PriceChangePreview:
    """Return the accounts that a change to a version (default: the newest) would affect.

    For operators: reads across accounts (account_id). Raises PlanNotFound.
    """
    version = await find_plan_version(session, plan, currency, number)
    now = clock.now()
    query = (
        select(Account, PlanVersion)
        .join(SubscriptionPhase, col(SubscriptionPhase.account_id) == col(Account.id))
        .join(PlanVersion, col(PlanVersion.id) == col(SubscriptionPhase.plan_version_id))
        .where(
            col(PlanVersion.plan) == plan,
            col(PlanVersion.currency) == currency,
            col(PlanVersion.number) < version.number,
            col(SubscriptionPhase.starts_at) <= now,
            or_(col(SubscriptionPhase.ends_at).is_(None), col(SubscriptionPhase.paused)),
        )
        .order_by(col(Account.name))
    )
    rows = (await session.execute(query)).all()
    terms = await load_terms(session, {version.id, *(row.id for _, row in rows)})
    affected = [
        AffectedAccount(account.id, account.name, row.id, row.number, terms[row.id].fixed_fee)
        for account, row in rows
    ]
    return PriceChangePreview(version, terms[version.id], affected)


async def list_price_changes(
    session: AsyncSession,
) -> Sequence[tuple[PriceChange, PlanVersion, dict[str, int]]]:
    """List all price changes with their version and number of accounts by state, newest first.

    For operators: reads across accounts (account_id).
    """
    query = (
        select(PriceChange, PlanVersion)
        .join(PlanVersion, col(PlanVersion.id) == col(PriceChange.plan_version_id))
        .order_by(col(PriceChange.id).desc())
    )
    changes = (await session.execute(query)).all()
    counted = select(
        col(PriceChangeAccount.price_change_id), col(PriceChangeAccount.state), func.count()
    ).group_by(col(PriceChangeAccount.price_change_id), col(PriceChangeAccount.state))
    counts: dict[UUID, dict[str, int]] = {}
    for change_id, state, number in (await session.execute(counted)).all():
        counts.setdefault(change_id, {})[state] = number
    return [(change, version, counts.get(change.id, {})) for change, version in changes]


async def find_announced_price(session: AsyncSession, account_id: UUID) -> AnnouncedPrice | None:
    """Return the price change that was announced to the account and is still to come, or None."""
    query = (
        select(PriceChange, PlanVersion)
        .join(PriceChangeAccount, col(PriceChangeAccount.price_change_id) == col(PriceChange.id))
        .join(PlanVersion, col(PlanVersion.id) == col(PriceChange.plan_version_id))
        .where(
            col(PriceChangeAccount.account_id) == account_id,
            col(PriceChangeAccount.state) == PriceChangeState.ANNOUNCED.value,
        )
        .limit(1)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    change, version = found
    terms = (await load_terms(session, [version.id]))[version.id]
    return AnnouncedPrice(version, terms, change.effective_at)
