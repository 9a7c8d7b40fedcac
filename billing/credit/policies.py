"""Credit policy versions: publish and list them, and find the policy in force for accounts.

An account's own assignment comes before its plan's `credit_policy`. Accounts without a policy in
their currency keep the limit that the operator set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.credit.errors import CreditPolicyInvalid, CreditPolicyNotFound
from billing.credit.policy import NO_POLICY, CreditPolicy, parse_policy
from billing.tables import CreditPolicyVersion, CreditTerms
from infra.clock import Clock
from infra.sentences import sentence

_ADVISORY_LOCK_ID = 0x63726564  # "cred"; serialises the numbering of versions
# Terms are parsed once for each plan version that names a policy, not for each account.
_ASSIGNED = """
    with plans as materialized (
        select id, cast(terms as jsonb) -> 'payment' ->> 'credit_policy' as policy
        from plan_version where terms like '%"credit_policy":"%'
    ), assigned as (
        select a.id, a.name, a.currency, coalesce(t.policy, p.policy) as policy
        from account a
        left join credit_terms t on t.account_id = a.id
        left join lateral (
            select plan_version_id from subscription_phase s
            where s.account_id = a.id and s.starts_at <= :now
              and (s.ends_at is null or s.ends_at > :now)
            order by s.starts_at desc limit 1
        ) s on true
        left join plans p on p.id = s.plan_version_id
        where a.id = :account or cast(:account as uuid) is null
    )
"""
_IN_FORCE = """
    select a.id, v.id, v.policy, v.currency
    from assigned a
    join lateral (
        select id, policy, currency from credit_policy_version v
        where v.policy = a.policy and v.currency = a.currency and v.effective_from <= :now
        order by v.effective_from desc, v.number desc limit 1
    ) v on true
    order by a.id
"""
_OF_POLICY = """
    select id, name from assigned where policy = :policy and currency = :currency
    order by name, id
"""


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The credit policy version that applies to an account now."""

    account_id: UUID
    version_id: UUID
    policy: str
    currency: str


async def publish_policy(
    session: AsyncSession, clock: Clock, policy: CreditPolicy, effective_from: datetime | None
) -> CreditPolicyVersion:
    """Store a policy's next version; the rules of the newest version return that version.

    It applies from `effective_from` on, by default from now. Raises CreditPolicyInvalid if that
    time has passed: a decision must not change afterwards.
    """
    now = clock.now()
    starts_at = effective_from or now
    if starts_at < now:
        raise CreditPolicyInvalid(
            sentence("A policy takes effect now or later, not in the past."),
            param="effective_from",
        )
    await session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK_ID})
    newest = await find_newest_version(session, policy.policy, policy.currency)
    rules = policy.canonical_json().decode()
    if newest is not None and newest.rules == rules and effective_from is None:
        return newest
    number = 1 if newest is None else newest.number + 1
    version = CreditPolicyVersion(
        id=policy.version_id(number),
        policy=policy.policy,
        currency=policy.currency,
        number=number,
        rules=rules,
        effective_from=starts_at,
        created_at=now,
    )
    session.add(version)
    await session.flush()
    return version


async def list_policy_versions(session: AsyncSession) -> Sequence[CreditPolicyVersion]:
    """List all versions of all policies, by policy, currency and number."""
    order = (
        col(CreditPolicyVersion.policy),
        col(CreditPolicyVersion.currency),
        col(CreditPolicyVersion.number),
    )
    return (await session.scalars(select(CreditPolicyVersion).order_by(*order))).all()


async def find_policy_version(
    session: AsyncSession, policy: str, currency: str, number: int | None = None
) -> CreditPolicyVersion:
    """Return a version of a policy, the newest unless a number is given.

    Raises CreditPolicyNotFound.
    """
    version = await find_newest_version(session, policy, currency, number)
    if version is None:
        raise CreditPolicyNotFound(
            f"Credit policy not found: {policy[:60]!r} in {currency}.", param="policy"
        )
    return version


async def load_policy(session: AsyncSession, version_id: UUID) -> CreditPolicy:
    """Return the rules of a policy version."""
    return parse_policy((await session.get_one(CreditPolicyVersion, version_id)).rules)


async def list_policies_in_force(session: AsyncSession, now: datetime) -> list[PolicyInForce]:
    """Return the policy in force of each account that has one, by account id.

    For operators: reads across accounts (no account_id filter).
    """
    return await _load_in_force(session, now, None)


async def find_policy_in_force(
    session: AsyncSession, account_id: UUID, now: datetime
) -> PolicyInForce | None:
    """Return an account's policy in force; None if it has none."""
    found = await _load_in_force(session, now, account_id)
    return found[0] if found else None


async def list_policy_accounts(
    session: AsyncSession, policy: str, currency: str, now: datetime
) -> list[tuple[UUID, str]]:
    """Return (id, name) of the accounts with a policy, their own or their plan's, by name.

    Also those whose policy has no version yet. For operators: reads across accounts (account_id).
    """
    values = {"now": now, "account": None, "policy": policy, "currency": currency}
    rows = await session.execute(text(_ASSIGNED + _OF_POLICY), values)
    return [(account_id, name) for account_id, name in rows]


async def assign_policy(
    session: AsyncSession, account_id: UUID, currency: str, policy: str | None
) -> str | None:
    """Assign a policy to an account, `none` for a fixed limit, or None for its plan's policy.

    Returns the previous assignment. Raises CreditPolicyNotFound.
    """
    if policy is not None and policy != NO_POLICY:
        await find_policy_version(session, policy, currency)
    terms = await lock_credit_terms(session, account_id)
    previous, terms.policy = terms.policy, policy
    await session.flush()
    return previous


async def lock_credit_terms(session: AsyncSession, account_id: UUID) -> CreditTerms:
    """Return the account's credit terms, created if it has none; its billing profile is locked."""
    await lock_profile(session, account_id)
    terms = await session.get(CreditTerms, account_id)
    if terms is None:
        terms = CreditTerms(account_id=account_id)
        session.add(terms)
    return terms


async def find_newest_version(
    session: AsyncSession, policy: str, currency: str, number: int | None = None
) -> CreditPolicyVersion | None:
    """Return a policy's version, the newest unless a number is given; None if there is none."""
    query = select(CreditPolicyVersion).where(
        col(CreditPolicyVersion.policy) == policy, col(CreditPolicyVersion.currency) == currency
    )
    if number is not None:
        query = query.where(col(CreditPolicyVersion.number) == number)
    newest = query.order_by(col(CreditPolicyVersion.number).desc()).limit(1)
    return (await session.scalars(newest)).one_or_none()


async def _load_in_force(
    session: AsyncSession, now: datetime, account_id: UUID | None
) -> list[PolicyInForce]:
    """Return the policies in force of one account, or of all if None."""
    rows = await session.execute(text(_ASSIGNED + _IN_FORCE), {"now": now, "account": account_id})
    return [PolicyInForce(*row) for row in rows]
