"""Monthly settlements of outcome contracts: creation and acceptance.

    month ends -> grace period for claims -> settlement with bundle -> dispute window -> accepted

Months are consecutive calendar months in the account's time zone. Outcomes claimed or confirmed
after the grace period count in the next month, under the price bounds of that month. Each contract
is settled in one transaction; running twice, late or on several workers gives the same settlements.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, profile_time_zone
from billing.audit_events import EventFields, MoneyEvent, log_event
from billing.dates import billing_month_start, local_day, local_midnight, next_billing_month_start
from billing.outcomes.contracts.contracts import VersionPeriod
from billing.outcomes.contracts.versions import last_version_in, list_agreed_versions
from billing.outcomes.settlement.bundle import EvidenceBundle, bundle_digest
from billing.outcomes.settlement.bundle_builder import build_bundle, list_unsettled_outcomes
from billing.outcomes.settlement.charges import reconcile_charges
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.claims import confirm_by_silence
from billing.outcomes.settlement.credits import CreditReason
from billing.outcomes.settlement.notices import notify_settled
from billing.outcomes.settlement.readings_selection import SettlementMonth
from billing.outcomes.settlement.replay import MeasureFunction
from billing.tables import BillingProfile, Outcome, OutcomeContract, OutcomeSettlement
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

# Claims and confirmations received this long after the end of a month still count for it.
GRACE_PERIOD = timedelta(days=3)
# Contracts with a month that may be over, and ended contracts with unsettled outcomes.
_CONTRACTS_DUE_SQL = """
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


async def list_contracts_to_settle(session: AsyncSession, now: datetime) -> list[tuple[UUID, UUID]]:
    """List (account id, contract id) of contracts with a month that may be due.

    For operators: queries all accounts (account_id).
    """
    rows = (await session.execute(text(_CONTRACTS_DUE_SQL), {"now": now})).all()
    return [(account_id, contract_id) for account_id, contract_id in rows]


async def settle_contract(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    contract_id: UUID,
    measure_function: MeasureFunction,
) -> list[OutcomeSettlement]:
    """Create the settlements of all due months of a contract; returns the new ones.

    Raises OutcomeContractNotAgreed, and what `measure_function` raises.
    """
    profile = await lock_profile(session, account_id)
    query = select(OutcomeContract).where(
        col(OutcomeContract.account_id) == account_id, col(OutcomeContract.id) == contract_id
    )
    contract = (await session.scalars(query)).one()
    versions = await list_agreed_versions(session, account_id, contract_id)
    settlements: list[OutcomeSettlement] = []
    while True:
        month = await _next_month_to_settle(session, profile, contract, versions)
        if month.cutoff > clock.now() or not await _has_work(session, contract, versions, month):
            return settlements
        settlements.append(
            await _create_settlement(session, clock, contract, versions, month, measure_function)
        )


async def list_settlements_to_accept(
    session: AsyncSession, now: datetime
) -> list[tuple[UUID, UUID]]:
    """List (account id, settlement id) of settlements whose dispute window is over.

    For operators: queries all accounts (account_id).
    """
    query = (
        select(OutcomeSettlement.account_id, OutcomeSettlement.id)
        .where(
            col(OutcomeSettlement.accepted_at).is_(None),
            col(OutcomeSettlement.disputable_until) <= now,
        )
        .order_by(col(OutcomeSettlement.id))
    )
    return [(account_id, one) for account_id, one in (await session.execute(query)).all()]


async def accept_settlement(
    session: AsyncSession, clock: Clock, account_id: UUID, settlement_id: UUID
) -> OutcomeSettlement:
    """Accept a settlement if its dispute window is over, and charge what is not disputed.

    Raises SettlementNotFound.
    """
    await lock_profile(session, account_id)
    settlement = await get_settlement(session, account_id, settlement_id)
    if settlement.accepted_at is None and settlement.disputable_until <= clock.now():
        settlement.accepted_at = clock.now()
        await session.flush()
        reason = CreditReason("reversed", "")  # unused: nothing was charged, so nothing is credited
        await reconcile_charges(session, clock, settlement, settlement.disputable_until, reason)
    return settlement


async def get_settlement(
    session: AsyncSession, account_id: UUID, settlement_id: UUID
) -> OutcomeSettlement:
    """Return one of the account's settlements. Raises SettlementNotFound."""
    query = select(OutcomeSettlement).where(
        col(OutcomeSettlement.account_id) == account_id, col(OutcomeSettlement.id) == settlement_id
    )
    settlement = (await session.scalars(query)).one_or_none()
    if settlement is None:
        raise SettlementNotFound("The account has no such settlement.", param="settlement")
    return settlement


async def get_bundle_text(session: AsyncSession, settlement_id: UUID) -> str:
    """Return the text of a settlement's bundle. Raises SettlementNotFound.

    For operators: reads settlements of any account (account_id).
    """
    query = select(OutcomeSettlement.bundle).where(col(OutcomeSettlement.id) == settlement_id)
    bundle_text = (await session.execute(query)).scalar_one_or_none()
    if bundle_text is None:
        raise SettlementNotFound("The settlement does not exist.", param="settlement")
    return bundle_text


async def _next_month_to_settle(
    session: AsyncSession,
    profile: BillingProfile,
    contract: OutcomeContract,
    versions: list[VersionPeriod],
) -> SettlementMonth:
    """Return the month after the last settled one, else the month in which the contract began."""
    query = (
        select(OutcomeSettlement.ends_at)
        .where(
            col(OutcomeSettlement.account_id) == contract.account_id,
            col(OutcomeSettlement.contract_id) == contract.id,
        )
        .order_by(col(OutcomeSettlement.ends_at).desc())
        .limit(1)
    )
    last, time_zone = (
        (await session.execute(query)).scalar_one_or_none(),
        profile_time_zone(profile),
    )
    first = min(one.starts_at for one in versions)
    starts_at = last or local_midnight(
        billing_month_start(local_day(first, time_zone), 1), time_zone
    )
    ends_at = local_midnight(
        next_billing_month_start(local_day(starts_at, time_zone), 1), time_zone
    )
    return SettlementMonth(starts_at, ends_at, ends_at + GRACE_PERIOD, time_zone)


async def _has_work(
    session: AsyncSession,
    contract: OutcomeContract,
    versions: list[VersionPeriod],
    month: SettlementMonth,
) -> bool:
    """Return whether the contract was in force in the month or has unsettled outcomes.

    First confirms outcomes by silence, where the contract allows it.
    """
    within = any(
        one.starts_at < month.ends_at and (one.ends_at is None or one.ends_at > month.starts_at)
        for one in versions
    )
    await confirm_by_silence(session, contract.account_id, contract.id, month.cutoff)
    return within or bool(await list_unsettled_outcomes(session, contract, month))


async def _create_settlement(
    session: AsyncSession,
    clock: Clock,
    contract: OutcomeContract,
    versions: list[VersionPeriod],
    month: SettlementMonth,
    measure_function: MeasureFunction,
) -> OutcomeSettlement:
    """Store a month's settlement with its bundle, assign its outcomes, notify the customer."""
    settlement_id, now = ids.new_id(), clock.now()
    bundle = await build_bundle(session, settlement_id, contract, versions, month, measure_function)
    version, bundle_text = (
        last_version_in(versions, month.starts_at, month.ends_at),
        bundle.canonical_json(),
    )
    result = bundle.result
    assert result is not None  # noqa: S101  # build_bundle sets it
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
        bundle=bundle_text,
        digest=bundle_digest(bundle_text),
        disputable_until=now + timedelta(days=version.terms.deadlines.dispute_days),
    )
    session.add(settlement)
    await session.flush()
    await _assign_outcomes(session, contract.account_id, settlement_id, bundle)
    await notify_settled(session, clock, settlement, version.terms)
    facts: EventFields = {"settlement_id": settlement_id, "contract_id": contract.id}
    amount: EventFields = {"minor": settlement.minor, "currency": version.terms.currency}
    log_event(session, MoneyEvent.OUTCOME_SETTLED, contract.account_id, **facts, **amount)
    return settlement


async def _assign_outcomes(
    session: AsyncSession, account_id: UUID, settlement_id: UUID, bundle: EvidenceBundle
) -> None:
    """Assign the bundle's outcomes to the settlement, so that no other month counts them."""
    outcome_ids = [ids.parse_id(OUTCOME_PREFIX, one.id) for one in bundle.outcomes]
    query = select(Outcome).where(
        col(Outcome.account_id) == account_id, col(Outcome.id).in_(outcome_ids)
    )
    for outcome in (await session.scalars(query)).all():
        outcome.settlement_id = settlement_id
    await session.flush()
