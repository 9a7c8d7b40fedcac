"""What publishing a credit policy would do: the accounts with the policy, and their limits.

Reads only. Exposure limits are not checked: they depend on the order of the evaluations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.credit.decision import decide
from billing.credit.evaluation import current_limit
from billing.credit.fact_queries import gather_facts
from billing.credit.policies import find_newest_version, list_policy_accounts
from billing.credit.policy import CreditPolicy

# Each account needs a few queries; further accounts are counted only.
MAX_ACCOUNTS = 100


@dataclass(frozen=True, slots=True)
class LimitForecast:
    """An account's credit limit now, and the limit by the new rules; both in minor units."""

    account_id: UUID
    name: str
    limit: int
    new_limit: int


@dataclass(frozen=True, slots=True)
class PolicyPublication:
    """The number that the version gets, the number of accounts, and the first by name.

    `is_new` is False if the newest version has the same rules: then `number` is its number.
    """

    policy: CreditPolicy
    number: int
    is_new: bool
    account_count: int
    accounts: Sequence[LimitForecast]


async def preview_policy(
    session: AsyncSession, policy: CreditPolicy, now: datetime
) -> PolicyPublication:
    """Return what publishing a policy would do, as if all its accounts were evaluated now.

    For operators: reads across accounts (account_id).
    """
    newest = await find_newest_version(session, policy.policy, policy.currency)
    rules = policy.canonical_json().decode()
    is_new = newest is None or newest.rules != rules
    number = 0 if newest is None else newest.number
    found = await list_policy_accounts(session, policy.policy, policy.currency, now)
    accounts = [
        await _forecast(session, policy, account_id, name, now)
        for account_id, name in found[:MAX_ACCOUNTS]
    ]
    return PolicyPublication(policy, number + is_new, is_new, len(found), accounts)


async def _forecast(
    session: AsyncSession, policy: CreditPolicy, account_id: UUID, name: str, now: datetime
) -> LimitForecast:
    """Return an account's limit now and by the new rules."""
    facts = await gather_facts(session, account_id, policy, now)
    limit = await current_limit(session, account_id, policy.currency)
    return LimitForecast(account_id, name, limit, decide(policy, facts, now).limit)
