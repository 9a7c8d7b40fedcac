"""Fixed credit limits that an operator sets, for accounts without a credit policy."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.credit.errors import CreditPolicyApplies
from billing.credit.policies import find_policy_in_force
from billing.metering.quotas import set_credit_limit
from infra.clock import Clock


async def set_fixed_limit(
    session: AsyncSession, clock: Clock, account_id: UUID, limit_nano: int, note: str = ""
) -> int:
    """Set an account's fixed credit limit in nano-units; return the previous limit.

    Raises CreditPolicyApplies if a policy decides the limit, LimitInvalid.
    """
    if await find_policy_in_force(session, account_id, clock.now()) is not None:
        raise CreditPolicyApplies(
            "A credit policy decides this account's limit. Override it, or assign no policy."
        )
    return await set_credit_limit(session, clock, account_id, limit_nano, note)
