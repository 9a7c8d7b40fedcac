"""Settlement: what a contract comes to in a month, made once, and accepted when nobody disputes it.

    month ends -> grace for late claims -> settlement with its bundle -> dispute window -> accepted

Months are calendar months in the account's time zone and follow one another without a gap. What is
claimed or confirmed after the grace is counted by the next month, in which all bounds are those of
that month. Owns that order, for one contract in one transaction: run twice, late, or by several
workers at once it makes the same settlements.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, zone
from billing.audit_events import Facts, MoneyEvent, tell
from billing.dates import day_of, midnight, month_start, next_month_start
from billing.outcomes.contracts.contracts import Span
from billing.outcomes.contracts.versions import agreed_versions, last_of
from billing.outcomes.settlement.bundle import Bundle, digest_of
from billing.outcomes.settlement.bundle_builder import gather, waiting_outcomes
from billing.outcomes.settlement.charges import put_right
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.claims import count_silent
from billing.outcomes.settlement.credits import Reason
from billing.outcomes.settlement.notices import tell_settled
from billing.outcomes.settlement.readings_selection import Month
from billing.outcomes.settlement.replay import Measure
from billing.tables import BillingProfile, Outcome, OutcomeContract, OutcomeSettlement
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

# After a month's end so long claims and confirmations still count into it.
GRACE = timedelta(days=3)
# Contracts with a month that may be over, and ended ones that still have outcomes to count.
_DUE = """
    select c.account_id, c.id
    from outcome_contract c
    join lateral (
        select max(coalesce(
            least(v.ends_at, cast(cast(v.terms as jsonb)->>'ends_at' as timestamptz)), 'infinity'
        )) as ends_at
        from outcome_version v
        where v.contract_id = c.id and v.customer_agreed_at is not null
          and v.operator_agreed_at is not null
    ) agreed on agreed.ends_at is not null
    left join lateral (
        select max(s.ends_at) as ends_at from outcome_settlement s where s.contract_id = c.id
    ) settled on true
    where coalesce(settled.ends_at <= cast(:now as timestamptz) - interval '30 days', true)
      and (
          coalesce(settled.ends_at < agreed.ends_at, true)
          or exists (
              select from outcome o where o.contract_id = c.id and o.settlement_id is null
                and o.refused_for is null and o.reversed_at is null
          )
      )
    order by c.id
"""


class SettlementNotFound(AppError):
    """The account has no such settlement."""

    status = 404
    type = "invalid_request_error"
    code = "outcome_settlement_not_found"


async def contracts_to_settle(session: AsyncSession, now: datetime) -> list[tuple[UUID, UUID]]:
    """Accounts and contracts with a month that may be due. For operators: it looks across
    accounts (account_id)."""
    rows = (await session.execute(text(_DUE), {"now": now})).all()
    return [(account_id, contract_id) for account_id, contract_id in rows]


async def settle(
    session: AsyncSession, clock: Clock, account_id: UUID, contract_id: UUID, measure: Measure
) -> list[OutcomeSettlement]:
    """Make the settlements of all months that are due; gives the new ones.

    Raises OutcomeContractNotAgreed, and what `measure` does.
    """
    profile = await lock_profile(session, account_id)
    query = select(OutcomeContract).where(
        col(OutcomeContract.account_id) == account_id, col(OutcomeContract.id) == contract_id
    )
    contract = (await session.scalars(query)).one()
    versions = await agreed_versions(session, account_id, contract_id)
    made: list[OutcomeSettlement] = []
    while True:
        month = await _next_month(session, profile, contract, versions)
        if month.cut > clock.now() or not await _is_to_settle(session, contract, versions, month):
            return made
        made.append(await _settle(session, clock, contract, versions, month, measure))


async def settlements_to_accept(session: AsyncSession, now: datetime) -> list[tuple[UUID, UUID]]:
    """Accounts and settlements whose dispute window is over. For operators: it looks across
    accounts (account_id)."""
    query = (
        select(OutcomeSettlement.account_id, OutcomeSettlement.id)
        .where(
            col(OutcomeSettlement.accepted_at).is_(None),
            col(OutcomeSettlement.disputable_until) <= now,
        )
        .order_by(col(OutcomeSettlement.id))
    )
    return [(account_id, one) for account_id, one in (await session.execute(query)).all()]


async def accept(
    session: AsyncSession, clock: Clock, account_id: UUID, settlement_id: UUID
) -> OutcomeSettlement:
    """Take a settlement as accepted, where its window is over, and charge what nobody disputes.

    Raises SettlementNotFound.
    """
    await lock_profile(session, account_id)
    settlement = await get_settlement(session, account_id, settlement_id)
    if settlement.accepted_at is None and settlement.disputable_until <= clock.now():
        settlement.accepted_at = clock.now()
        await session.flush()
        about = Reason("reversed", "")  # nothing was charged, so nothing is credited
        await put_right(session, clock, settlement, settlement.disputable_until, about)
    return settlement


async def get_settlement(
    session: AsyncSession, account_id: UUID, settlement_id: UUID
) -> OutcomeSettlement:
    """One of the account's settlements. Raises SettlementNotFound."""
    query = select(OutcomeSettlement).where(
        col(OutcomeSettlement.account_id) == account_id, col(OutcomeSettlement.id) == settlement_id
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise SettlementNotFound("The account has no such settlement.", param="settlement")
    return found


async def bundle_of(session: AsyncSession, settlement_id: UUID) -> str:
    """A settlement's bundle. For operators: of any account (account_id). Raises
    SettlementNotFound."""
    query = select(OutcomeSettlement.bundle).where(col(OutcomeSettlement.id) == settlement_id)
    found = (await session.execute(query)).scalar_one_or_none()
    if found is None:
        raise SettlementNotFound("There is no such settlement.", param="settlement")
    return found


async def _next_month(
    session: AsyncSession,
    profile: BillingProfile,
    contract: OutcomeContract,
    versions: list[Span],
) -> Month:
    """The month after the last that was settled, else the one in which the contract began."""
    query = (
        select(OutcomeSettlement.ends_at)
        .where(
            col(OutcomeSettlement.account_id) == contract.account_id,
            col(OutcomeSettlement.contract_id) == contract.id,
        )
        .order_by(col(OutcomeSettlement.ends_at).desc())
        .limit(1)
    )
    last, days = (await session.execute(query)).scalar_one_or_none(), zone(profile)
    first = min(one.starts_at for one in versions)
    starts_at = last or midnight(month_start(day_of(first, days), 1), days)
    ends_at = midnight(next_month_start(day_of(starts_at, days), 1), days)
    return Month(starts_at, ends_at, ends_at + GRACE, days)


async def _is_to_settle(
    session: AsyncSession, contract: OutcomeContract, versions: list[Span], month: Month
) -> bool:
    """Whether the contract was in force in the month, or has outcomes that no month counts."""
    within = any(
        one.starts_at < month.ends_at and (one.ends_at is None or one.ends_at > month.starts_at)
        for one in versions
    )
    await count_silent(session, contract.account_id, contract.id, month.cut)
    return within or bool(await waiting_outcomes(session, contract, month))


async def _settle(
    session: AsyncSession,
    clock: Clock,
    contract: OutcomeContract,
    versions: list[Span],
    month: Month,
    measure: Measure,
) -> OutcomeSettlement:
    settlement_id, now = ids.new_id(), clock.now()
    bundle = await gather(session, settlement_id, contract, versions, month, measure)
    version, said = last_of(versions, month.starts_at, month.ends_at), bundle.text()
    result = bundle.result
    assert result is not None  # noqa: S101  # gathered with it
    settlement = OutcomeSettlement(
        id=settlement_id,
        account_id=contract.account_id,
        contract_id=contract.id,
        version_id=version.version.id,
        starts_at=month.starts_at,
        ends_at=month.ends_at,
        made_at=now,
        micro=result.micro,
        minor=result.minor,
        bundle=said,
        digest=digest_of(said),
        disputable_until=now + timedelta(days=version.terms.deadlines.dispute_days),
    )
    session.add(settlement)
    await session.flush()
    await _count(session, contract.account_id, settlement_id, bundle)
    await tell_settled(session, clock, settlement, version.terms)
    about: Facts = {"settlement_id": settlement_id, "contract_id": contract.id}
    amount: Facts = {"minor": settlement.minor, "currency": version.terms.currency}
    tell(session, MoneyEvent.OUTCOME_SETTLED, contract.account_id, **about, **amount)
    return settlement


async def _count(
    session: AsyncSession, account_id: UUID, settlement_id: UUID, bundle: Bundle
) -> None:
    """Mark the outcomes that the month counts, so that no other does."""
    named = [ids.parse(OUTCOME_PREFIX, one.id) for one in bundle.outcomes]
    query = select(Outcome).where(col(Outcome.account_id) == account_id, col(Outcome.id).in_(named))
    for outcome in (await session.scalars(query)).all():
        outcome.settlement_id = settlement_id
    await session.flush()
