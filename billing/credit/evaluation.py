"""Evaluation of accounts' credit policies: once a day and after each event, each exactly once.

    events -> facts -> decide -> exposure limits -> decision row and credit limit

The limit takes effect as one that an operator sets: admission checks it exactly.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.credit.decision import DecidedLimit, decide
from billing.credit.exposure import ExposureRefusal, check_raise
from billing.credit.fact_queries import gather_facts
from billing.credit.policies import PolicyInForce, find_policy_in_force, load_policy
from billing.invoices.available_credit import refresh_account_credit
from billing.metering.quotas import set_credit_limit, sum_credit_entries
from billing.money import nano_per_minor
from billing.tables import CreditDecision, CreditReason
from infra import ids
from infra.clock import Clock

# Events of the last two days without a decision; older ones are covered by the daily decisions.
_EVENTS = """
    with events as (
        select account_id, 'payment:' || id as event from payment
        where recorded_at > cast(:now as timestamptz) - interval '2 days'
        union all
        select account_id, 'failure:' || id from payment_failure
        where occurred_at > cast(:now as timestamptz) - interval '2 days'
        union all
        select account_id, 'dunning:' || id || ':' || reminders from invoice
        where status = 'open' and reminders > 0
        union all
        select account_id, 'guarantee_ended:' || id from credit_guarantee
        where valid_until > cast(:now as timestamptz) - interval '2 days' and valid_until <= :now
        union all
        select account_id, 'override_ended:' || id from credit_override
        where expires_at > cast(:now as timestamptz) - interval '2 days' and expires_at <= :now
    )
    select e.account_id, e.event from events e
    where not exists (
        select from credit_decision d
        where d.account_id = e.account_id and d.business_key = e.event
    )
    union all
    select a.id, :day from account a
    where not exists (
        select from credit_decision d where d.account_id = a.id and d.business_key = :day
    )
"""


def day_event(now: datetime) -> str:
    """Return the business key of the daily decision: the day in UTC."""
    return f"day:{now.date().isoformat()}"


async def list_credit_events(
    session: AsyncSession, now: datetime, account_ids: set[UUID]
) -> list[tuple[UUID, str]]:
    """List events without a decision as (account id, business key), of these accounts.

    For operators: reads across accounts (no account_id filter).
    """
    rows = await session.execute(text(_EVENTS), {"now": now, "day": day_event(now)})
    return sorted((account_id, event) for account_id, event in rows if account_id in account_ids)


async def evaluate_credit(
    session: AsyncSession, clock: Clock, account_id: UUID, event: str
) -> CreditDecision | None:
    """Decide an account's limit after an event and set it; return the decision.

    None if the account has no policy in force or the event was decided before. If the clock went
    back, the time of the last decision applies, so that what has expired stays expired.
    """
    await lock_profile(session, account_id)
    last = await find_last_decision(session, account_id)
    now = clock.now() if last is None else max(clock.now(), last.decided_at)
    policy = await find_policy_in_force(session, account_id, now)
    if policy is None or await _is_decided(session, account_id, event):
        return None
    rules = await load_policy(session, policy.version_id)
    facts = await gather_facts(session, account_id, rules, now)
    decided = decide(rules, facts, now)
    previous = await current_limit(session, account_id, policy.currency)
    refusal = await _check_exposure(session, policy, decided, previous, now)
    row = CreditDecision(
        id=ids.new_id(),
        account_id=account_id,
        business_key=event,
        policy_version_id=policy.version_id,
        decided_at=now,
        inputs=facts.canonical_json(),
        previous=previous,
        earned=decided.earned,
        decided=decided.limit,
        granted=decided.limit if refusal is None else previous,
        reasons=decided.reasons_json(),
        refusal=None if refusal is None else refusal.to_json(),
    )
    session.add(row)
    await session.flush()
    await _apply_limit(session, clock, row, policy)
    return row


async def find_last_decision(session: AsyncSession, account_id: UUID) -> CreditDecision | None:
    """Return an account's newest decision; None if there is none."""
    rows = await list_decisions(session, account_id, 1)
    return rows[0] if rows else None


async def list_decisions(
    session: AsyncSession, account_id: UUID, limit: int, before: UUID | None = None
) -> list[CreditDecision]:
    """List an account's decisions, newest first, older than decision `before` if given."""
    query = select(CreditDecision).where(col(CreditDecision.account_id) == account_id)
    if before is not None:
        query = query.where(col(CreditDecision.id) < before)
    order = col(CreditDecision.decided_at).desc(), col(CreditDecision.id).desc()
    return list((await session.scalars(query.order_by(*order).limit(limit))).all())


async def current_limit(session: AsyncSession, account_id: UUID, currency: str) -> int:
    """Return the credit limit in force in minor units, rounded down."""
    nano = await sum_credit_entries(session, account_id, CreditReason.CREDIT_LIMIT)
    return max(0, nano) // nano_per_minor(currency)


async def _is_decided(session: AsyncSession, account_id: UUID, event: str) -> bool:
    """Return whether there is a decision after this event."""
    query = select(CreditDecision.id).where(
        col(CreditDecision.account_id) == account_id, col(CreditDecision.business_key) == event
    )
    return (await session.execute(query)).first() is not None


async def _check_exposure(
    session: AsyncSession,
    policy: PolicyInForce,
    decided: DecidedLimit,
    previous: int,
    now: datetime,
) -> ExposureRefusal | None:
    """Check a raise against the exposure limits; a lower limit is never refused."""
    if decided.limit <= previous:
        return None
    account_id, currency = policy.account_id, policy.currency
    return await check_raise(session, account_id, policy.policy, currency, decided.limit, now)


async def _apply_limit(
    session: AsyncSession, clock: Clock, row: CreditDecision, policy: PolicyInForce
) -> None:
    """Set the granted limit, and correct the available credit if the limit changed."""
    nano = row.granted * nano_per_minor(policy.currency)
    note = f"credit policy {policy.policy}"
    if await set_credit_limit(session, clock, row.account_id, nano, note) != nano:
        await refresh_account_credit(session, clock, row.account_id)
