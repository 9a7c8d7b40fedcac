"""Gathering: a month's evidence bundle, from the tables.

Owns reading what a settlement hangs on: outcomes that were claimed and confirmed in time, with
their calls and evidence; the readings of a measured effect; and what calls for the contract
consumed. Changes nothing.
"""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import PREFIX as ACCOUNT_PREFIX
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.metering.usage import REQUEST_PREFIX
from billing.outcomes.contracts.contracts import PREFIX as CONTRACT_PREFIX
from billing.outcomes.contracts.contracts import Span
from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.contracts.terms import Measure
from billing.outcomes.contracts.versions import last_of, share_in_force
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.settlement.attributed_calls import ModelUse, calls_of, use_for
from billing.outcomes.settlement.bundle import (
    FORMAT,
    Bundle,
    CallShown,
    EvidenceShown,
    MeasuredBy,
    OutcomeShown,
    UseShown,
    VersionShown,
)
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.readings_selection import Month, days_in, inputs_of, readings_for
from billing.outcomes.settlement.replay import Measure as Measuring
from billing.outcomes.settlement.replay import result_of
from billing.rating.quantities import METERS
from billing.rating.terms import LIST_PLAN
from billing.subscriptions.plans import find_version
from billing.tables import Attester, Evidence, Outcome, OutcomeContract, Usage
from infra import ids


async def gather(
    session: AsyncSession,
    settlement_id: UUID,
    contract: OutcomeContract,
    versions: Sequence[Span],
    month: Month,
    measure: Measuring,
) -> Bundle:
    """A month's bundle with what it comes to. Raises what `measure` does, and PlanNotFound."""
    account_id, version = contract.account_id, last_of(versions, month.starts_at, month.ends_at)
    outcomes = await waiting_outcomes(session, contract, month)
    evidence = await _statements(session, contract, outcomes)
    readings, measured = await _measured(session, versions, month, measure)
    calls = await calls_of(session, account_id, [one.id for one in outcomes])
    span = month.starts_at, month.ends_at
    covering = [one.version.plan_version_id for one in versions]
    used = await use_for(session, account_id, covering, *span)
    listed = None
    if version.terms.lower_of_usage:
        listed = (await find_version(session, LIST_PLAN, version.terms.currency)).terms
    bundle = Bundle(
        format=FORMAT,
        settlement=ids.show(SETTLEMENT_PREFIX, settlement_id),
        account=ids.show(ACCOUNT_PREFIX, account_id),
        contract=ids.show(CONTRACT_PREFIX, contract.id),
        tag=contract.tag,
        currency=version.terms.currency,
        time_zone=month.zone.key,
        starts_at=month.starts_at,
        ends_at=month.ends_at,
        share=str(share_in_force(versions, *span, month.zone)),
        version=version.version.id.hex,
        versions=tuple(_version(one) for one in versions),
        list_terms=listed,
        use=tuple(_use(one) for one in used),
        outcomes=tuple(_outcome(one, calls[one.id]) for one in outcomes),
        evidence=tuple(_said(*one) for one in (*evidence, *readings)),
        measured=measured,
    )
    return bundle.with_result(result_of(bundle))


async def waiting_outcomes(
    session: AsyncSession, contract: OutcomeContract, month: Month
) -> Sequence[Outcome]:
    """What a month counts: outcomes of it, and earlier ones that came too late for theirs."""
    query = (
        select(Outcome)
        .where(
            col(Outcome.account_id) == contract.account_id,
            col(Outcome.contract_id) == contract.id,
            col(Outcome.settlement_id).is_(None),
            col(Outcome.refused_for).is_(None),
            col(Outcome.reversed_at).is_(None),
            col(Outcome.happened_at) < month.ends_at,
            col(Outcome.confirmed_at) <= month.cut,
        )
        .order_by(col(Outcome.happened_at), col(Outcome.id))
    )
    return (await session.scalars(query)).all()


async def _measured(
    session: AsyncSession, versions: Sequence[Span], month: Month, measure: Measuring
) -> tuple[list[tuple[Evidence, Attester]], tuple[MeasuredBy, ...]]:
    """What was measured by each version that was in force, and the readings of all, each once."""
    said: dict[UUID, tuple[Evidence, Attester]] = {}
    found: list[MeasuredBy] = []
    for version in versions:
        days = days_in(version, month)
        if days is None or not isinstance(version.terms.kind, Measure):
            continue
        readings = await readings_for(session, version, month)
        said |= {one[0].id: one for one in readings}
        inputs = inputs_of(version, days, readings).text()
        # It takes a while; the other jobs of the process go on meanwhile.
        measured = await asyncio.to_thread(measure, inputs)
        found.append(MeasuredBy(version.version.id.hex, measured))
    return sorted(said.values(), key=lambda one: one[0].position), tuple(found)


async def _statements(
    session: AsyncSession, contract: OutcomeContract, outcomes: Iterable[Outcome]
) -> list[tuple[Evidence, Attester]]:
    named = {one for each in outcomes for one in (each.evidence_id, each.confirmation_id) if one}
    query = (
        select(Evidence, Attester)
        .join(Attester, col(Attester.id) == col(Evidence.attester_id))
        .where(col(Evidence.account_id) == contract.account_id, col(Evidence.id).in_(named))
        .order_by(col(Evidence.position))
    )
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]


def _version(one: Span) -> VersionShown:
    return VersionShown(
        one.version.id.hex, one.version.number, one.starts_at, one.ends_at, one.version.terms
    )


def _use(one: ModelUse) -> UseShown:
    return UseShown(one.model, one.calls, **{meter: one.quantities.of(meter) for meter in METERS})


def _outcome(one: Outcome, calls: Iterable[Usage]) -> OutcomeShown:
    return OutcomeShown(
        id=ids.show(OUTCOME_PREFIX, one.id),
        business_key=one.business_key,
        subject=one.subject,
        happened_at=one.happened_at,
        claimed_at=one.claimed_at,
        version=one.version_id.hex,
        attested_by=one.attested_by or SILENCE,
        confirmed_at=one.confirmed_at or one.claimed_at,
        claim=ids.show(EVIDENCE_PREFIX, one.evidence_id),
        confirmation=_shown(EVIDENCE_PREFIX, one.confirmation_id),
        calls=tuple(_call(call) for call in calls),
    )


def _shown(prefix: str, identity: UUID | None) -> str | None:
    return None if identity is None else ids.show(prefix, identity)


def _call(call: Usage) -> CallShown:
    return CallShown(
        request_id=ids.show(REQUEST_PREFIX, call.request_id),
        model=call.model,
        plan_version=None if call.plan_version_id is None else call.plan_version_id.hex,
        started_at=call.started_at,
        tags=call.tags or {},
        operation=call.operation,
        **{meter: getattr(call, meter) for meter in METERS},
    )


def _said(evidence: Evidence, attester: Attester) -> EvidenceShown:
    return EvidenceShown(
        id=ids.show(EVIDENCE_PREFIX, evidence.id),
        position=evidence.position,
        kind=evidence.kind,
        attester_id=attester.id.hex,
        attester=attester.name,
        attester_kind=attester.kind,
        public_key=attester.public_key.hex(),
        said=evidence.said,
        digest=evidence.digest.hex(),
        chained=evidence.chained.hex(),
        signature=evidence.signature.hex(),
        received_at=evidence.received_at,
    )
