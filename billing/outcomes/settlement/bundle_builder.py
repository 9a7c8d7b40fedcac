"""Building a month's evidence bundle from the database.

It contains the outcomes confirmed in time with their calls and evidence, the readings and the
measurement of a measured effect, and the usage of covered calls. Read-only.
"""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.metering.usage import REQUEST_ID_PREFIX
from billing.outcomes.contracts.contracts import PREFIX as CONTRACT_PREFIX
from billing.outcomes.contracts.contracts import VersionPeriod
from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.contracts.terms import MeasuredEffect
from billing.outcomes.contracts.versions import last_version_in, share_in_force
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.settlement.attributed_calls import (
    ModelUsage,
    covered_usage_by_model,
    list_attributed_calls,
)
from billing.outcomes.settlement.bundle import (
    FORMAT_VERSION,
    BundleCall,
    BundleEvidence,
    BundleOutcome,
    BundleUsage,
    BundleVersion,
    EvidenceBundle,
    VersionMeasurement,
)
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.prediction_periods import (
    load_prediction_periods,
    settleable_outcomes,
)
from billing.outcomes.settlement.readings_selection import (
    SettlementMonth,
    build_measurement_inputs,
    full_days_in_force,
    list_month_readings,
)
from billing.outcomes.settlement.replay import MeasureFunction, compute_result
from billing.rating.quantities import METERS
from billing.rating.terms import LIST_PLAN
from billing.subscriptions.plans import find_plan_version
from billing.tables import Attester, Evidence, Outcome, OutcomeContract, Usage
from infra import ids


async def build_bundle(
    session: AsyncSession,
    settlement_id: UUID,
    contract: OutcomeContract,
    versions: Sequence[VersionPeriod],
    month: SettlementMonth,
    measure_function: MeasureFunction,
) -> EvidenceBundle:
    """Build a month's evidence bundle with its result. Raises PlanNotFound, measurement errors."""
    account_id, version = (
        contract.account_id,
        last_version_in(versions, month.starts_at, month.ends_at),
    )
    unsettled = await list_unsettled_outcomes(session, contract, month)
    outcomes = settleable_outcomes(versions, month, unsettled)
    predictions, signed_events, counted = await load_prediction_periods(
        session, account_id, contract.id, versions, month, outcomes
    )
    evidence = await _load_statements(session, contract, [*outcomes, *counted])
    readings, measured = await _measure_versions(session, versions, month, measure_function)
    calls = await list_attributed_calls(session, account_id, [one.id for one in outcomes])
    covering = [one.version.plan_version_id for one in versions]
    usage = await covered_usage_by_model(
        session, account_id, covering, month.starts_at, month.ends_at
    )
    list_terms = None
    if version.terms.lower_of_usage:
        list_terms = (await find_plan_version(session, LIST_PLAN, version.terms.currency)).terms
    bundle = EvidenceBundle(
        format=FORMAT_VERSION,
        settlement=ids.format_id(SETTLEMENT_PREFIX, settlement_id),
        account=ids.format_id(ACCOUNT_PREFIX, account_id),
        contract=ids.format_id(CONTRACT_PREFIX, contract.id),
        tag=contract.tag,
        currency=version.terms.currency,
        time_zone=month.zone.key,
        starts_at=month.starts_at,
        ends_at=month.ends_at,
        share=str(share_in_force(versions, month.starts_at, month.ends_at, month.zone)),
        version=version.version.id.hex,
        versions=tuple(_bundle_version(one) for one in versions),
        list_terms=list_terms,
        use=tuple(_bundle_usage(one) for one in usage),
        outcomes=tuple(_bundle_outcome(one, calls[one.id]) for one in outcomes),
        evidence=tuple(_bundle_evidence(*one) for one in (*evidence, *signed_events, *readings)),
        measured=measured,
        predictions=predictions,
    )
    return bundle.with_result(compute_result(bundle))


async def list_unsettled_outcomes(
    session: AsyncSession, contract: OutcomeContract, month: SettlementMonth
) -> Sequence[Outcome]:
    """List outcomes up to the month's end that were confirmed by the cutoff and not settled."""
    query = (
        select(Outcome)
        .where(
            col(Outcome.account_id) == contract.account_id,
            col(Outcome.contract_id) == contract.id,
            col(Outcome.settlement_id).is_(None),
            col(Outcome.refused_for).is_(None),
            col(Outcome.reversed_at).is_(None),
            col(Outcome.happened_at) < month.ends_at,
            col(Outcome.confirmed_at) <= month.cutoff,
        )
        .order_by(col(Outcome.happened_at), col(Outcome.id))
    )
    return (await session.scalars(query)).all()


async def _measure_versions(
    session: AsyncSession,
    versions: Sequence[VersionPeriod],
    month: SettlementMonth,
    measure_function: MeasureFunction,
) -> tuple[list[tuple[Evidence, Attester]], tuple[VersionMeasurement, ...]]:
    """Measure the effect under each version in force; also return the distinct evidence used."""
    evidence_by_id: dict[UUID, tuple[Evidence, Attester]] = {}
    measurements: list[VersionMeasurement] = []
    for version in versions:
        days = full_days_in_force(version, month)
        if days is None or not isinstance(version.terms.kind, MeasuredEffect):
            continue
        readings = await list_month_readings(session, version, month)
        evidence_by_id |= {one[0].id: one for one in readings}
        inputs = build_measurement_inputs(version, days, readings).canonical_json()
        # CPU-bound: a thread keeps the event loop free for other jobs.
        measured = await asyncio.to_thread(measure_function, inputs)
        measurements.append(VersionMeasurement(version.version.id.hex, measured))
    return sorted(evidence_by_id.values(), key=lambda one: one[0].position), tuple(measurements)


async def _load_statements(
    session: AsyncSession, contract: OutcomeContract, outcomes: Iterable[Outcome]
) -> list[tuple[Evidence, Attester]]:
    """Load the claims and confirmations of the outcomes, with attesters, in log order."""
    evidence_ids = {
        one for each in outcomes for one in (each.evidence_id, each.confirmation_id) if one
    }
    query = (
        select(Evidence, Attester)
        .join(Attester, col(Attester.id) == col(Evidence.attester_id))
        .where(col(Evidence.account_id) == contract.account_id, col(Evidence.id).in_(evidence_ids))
        .order_by(col(Evidence.position))
    )
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]


def _bundle_version(period: VersionPeriod) -> BundleVersion:
    """Convert a version and its period to the bundle's form."""
    return BundleVersion(
        period.version.id.hex,
        period.version.number,
        period.starts_at,
        period.ends_at,
        period.version.terms,
    )


def _bundle_usage(usage: ModelUsage) -> BundleUsage:
    """Convert the covered usage of a model to the bundle's form."""
    return BundleUsage(
        usage.model, usage.calls, **{meter: usage.quantities.get(meter) for meter in METERS}
    )


def _bundle_outcome(outcome: Outcome, calls: Iterable[Usage]) -> BundleOutcome:
    """Convert an outcome and its attributed calls to the bundle's form."""
    return BundleOutcome(
        id=ids.format_id(OUTCOME_PREFIX, outcome.id),
        business_key=outcome.business_key,
        subject=outcome.subject,
        happened_at=outcome.happened_at,
        claimed_at=outcome.claimed_at,
        version=outcome.version_id.hex,
        attested_by=outcome.attested_by or SILENCE,
        confirmed_at=outcome.confirmed_at or outcome.claimed_at,
        claim=ids.format_id(EVIDENCE_PREFIX, outcome.evidence_id),
        confirmation=_public_id(EVIDENCE_PREFIX, outcome.confirmation_id),
        calls=tuple(_bundle_call(call) for call in calls),
        prediction=_public_id(PREDICTION_PREFIX, outcome.prediction_id),
    )


def _public_id(prefix: str, object_id: UUID | None) -> str | None:
    """Return the prefixed id, or None for None."""
    return None if object_id is None else ids.format_id(prefix, object_id)


def _bundle_call(call: Usage) -> BundleCall:
    """Convert a usage row of a supporting call to the bundle's form."""
    return BundleCall(
        request_id=ids.format_id(REQUEST_ID_PREFIX, call.request_id),
        model=call.model,
        plan_version=None if call.plan_version_id is None else call.plan_version_id.hex,
        started_at=call.started_at,
        tags=call.tags or {},
        operation=call.operation,
        **{meter: getattr(call, meter) for meter in METERS},
    )


def _bundle_evidence(evidence: Evidence, attester: Attester) -> BundleEvidence:
    """Convert evidence to the bundle's form, with the attester's public key."""
    return BundleEvidence(
        id=ids.format_id(EVIDENCE_PREFIX, evidence.id),
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
