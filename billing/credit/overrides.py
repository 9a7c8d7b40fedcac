"""Operators' overrides of an account's credit limit, each until it expires or ends."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.credit.errors import CreditPolicyMissing, OverrideInvalid
from billing.credit.evaluation import evaluate_credit
from billing.credit.fact_queries import override_in_force
from billing.credit.policies import find_policy_in_force
from billing.credit.policy import MAX_LIMIT_NANO
from billing.money import nano_per_minor
from billing.tables import CreditDecision, CreditOverride
from infra import ids
from infra.clock import Clock


async def override_limit(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    minor: int,
    expires_at: datetime,
    reason: str,
) -> CreditDecision | None:
    """Override an account's limit in minor units until a time, instead of an earlier override.

    Returns the decision that applies it. Raises CreditPolicyMissing, OverrideInvalid.
    """
    now = clock.now()
    await lock_profile(session, account_id)
    await require_policy(session, account_id, now)
    currency = await get_account_currency(session, account_id)
    if not 0 <= minor * nano_per_minor(currency) <= MAX_LIMIT_NANO:
        raise OverrideInvalid("The limit must not be negative or too large.", param="amount")
    if expires_at <= now:
        raise OverrideInvalid("The override must expire in the future.", param="expires_at")
    await _end_overrides(session, account_id, now)
    row = CreditOverride(
        id=ids.new_id(),
        account_id=account_id,
        minor=minor,
        reason=reason,
        expires_at=expires_at,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    return await evaluate_credit(session, clock, account_id, f"override:{row.id}")


async def end_override(
    session: AsyncSession, clock: Clock, account_id: UUID
) -> CreditDecision | None:
    """End the account's override now; return the decision, None if there was no override."""
    await lock_profile(session, account_id)
    ended = await _end_overrides(session, account_id, clock.now())
    if ended is None:
        return None
    return await evaluate_credit(session, clock, account_id, f"override_ended:{ended}")


async def require_policy(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    """Raise CreditPolicyMissing if the account has no credit policy in force."""
    if await find_policy_in_force(session, account_id, now) is None:
        raise CreditPolicyMissing(
            "The account has no credit policy. Set its credit limit instead.", param="account"
        )


async def _end_overrides(session: AsyncSession, account_id: UUID, now: datetime) -> UUID | None:
    """End the account's overrides in force; return the id of one, None if there was none."""
    statement = update(CreditOverride).where(*override_in_force(account_id, now))
    ended = await session.execute(statement.values(ended_at=now).returning(col(CreditOverride.id)))
    return ended.scalars().first()
