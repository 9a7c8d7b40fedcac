"""Collects the facts of a verified sign-up, decides, and stores both with the sign-up.

The company is locked first, then the network, then the claims of the grant are made: in this order
everywhere, so that concurrent sign-ups wait for each other and cannot deadlock.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.companies import CompanyAccount, find_company_accounts, lock_company
from gateway.signups.claims import claim_grant, release_claims
from gateway.signups.decision import (
    CompanyMatch,
    Decision,
    Outcome,
    RegisterAnswer,
    SignupFacts,
    decide,
)
from gateway.signups.policy import SignupPolicy
from gateway.tables import Signup
from infra.clock import Clock

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A decision, and the accounts of the same company, oldest first."""

    decision: Decision
    company_accounts: tuple[CompanyAccount, ...]


async def evaluate(
    session: AsyncSession,
    clock: Clock,
    policy: SignupPolicy,
    pepper: bytes,
    row: Signup,
    register: RegisterAnswer,
) -> Evaluation:
    """Decide about a locked sign-up and store outcome, reasons and facts with it."""
    await lock_company(session, row.name_key, row.credit_code)
    accounts = await find_company_accounts(session, row.name_key, row.credit_code)
    network_grants = await _count_network_grants(session, clock, row)
    grant_minor = policy.grant_minor(row.plan)
    granted = await claim_grant(session, pepper, row) if grant_minor else frozenset()
    facts = SignupFacts(
        disposable=policy.domains.has(row.email),
        company=_compare(row, accounts),
        register=register,
        has_credit_code=row.credit_code is not None,
        granted=granted,
        network_grants=network_grants,
        network_limit=policy.network_grants,
        grant_minor=grant_minor,
        appealed=row.appealed,
    )
    decision = decide(facts)
    if decision.outcome is not Outcome.GRANT:
        await release_claims(session, row)
    row.facts, row.outcome = facts.to_json(), decision.outcome.value
    row.reasons = [reason.value for reason in decision.reasons]
    row.decided_at = clock.now()
    return Evaluation(decision, tuple(accounts))


async def _count_network_grants(session: AsyncSession, clock: Clock, row: Signup) -> int:
    """Lock the network and count grants of other sign-ups from it within a day."""
    key = func.hashtextextended(f"network:{row.network}", 52)
    await session.execute(select(func.pg_advisory_xact_lock(key)))
    query = select(func.count()).where(
        col(Signup.network) == row.network,
        col(Signup.verified_at) > clock.now() - _DAY,
        col(Signup.grant_id).is_not(None),
        col(Signup.id) != row.id,
    )
    return (await session.execute(query)).scalar_one()


def _compare(row: Signup, accounts: list[CompanyAccount]) -> CompanyMatch:
    """Compare a company with the companies of accounts that have its code or name."""
    if not accounts:
        return CompanyMatch.NEW
    differ = row.credit_code is not None and all(
        account.credit_code not in (None, row.credit_code) for account in accounts
    )
    return CompanyMatch.SAME_NAME if differ else CompanyMatch.SAME
