"""JSON representations of outcomes, settlements and disputes for the API and the CLI.

Amounts are decimal strings in major units, quantities decimal strings of a unit.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX, format_units
from billing.money import minor_text
from billing.outcomes.contracts.attribution import ClaimRefusal, supporting_call_requirement
from billing.outcomes.contracts.pricing import AttesterPart
from billing.outcomes.contracts.terms import parse_outcome_terms
from billing.outcomes.evidence.decision_records import PREFIX as DECISION_PREFIX
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.views import assessment_json, scores_json
from billing.outcomes.settlement.bundle import EvidenceBundle, parse_bundle
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.disputes import PREFIX as DISPUTE_PREFIX
from billing.outcomes.settlement.prediction_assessment import AssessedPeriod, assess_periods
from billing.outcomes.settlement.read_model import (
    SettlementDetails,
    dispute_status,
    list_account_disputes,
    load_settlement_details,
    outcome_status,
)
from billing.outcomes.settlement.replay import ReplayResult, compute_result
from billing.outcomes.settlement.settlement import get_settlement
from billing.tables import (
    Dispute,
    Outcome,
    OutcomeContract,
    OutcomeSettlement,
    OutcomeVersion,
)
from infra import ids
from infra.database.paging import page_of

_Row = TypeVar("_Row", Outcome, OutcomeSettlement)


async def outcomes_page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[dict[str, Any]]:
    """Render a page of the account's outcomes, including refused ones, newest first."""
    query = select(Outcome).where(col(Outcome.account_id) == account_id)
    rows = await _fetch_page(session, query, Outcome, limit, after)
    tags = await _tags_by_contract(session, account_id)
    required = await _call_requirements(session, account_id, rows)
    return [_outcome_json(one, tags[one.contract_id], required.get(one.version_id)) for one in rows]


async def outcome_json(session: AsyncSession, outcome: Outcome) -> dict[str, Any]:
    """Render an outcome, with the contract's requirement if its calls were not eligible."""
    tags = await _tags_by_contract(session, outcome.account_id)
    required = await _call_requirements(session, outcome.account_id, [outcome])
    return _outcome_json(outcome, tags[outcome.contract_id], required.get(outcome.version_id))


async def settlements_page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[dict[str, Any]]:
    """Render a page of the account's settlements, newest first."""
    query = select(OutcomeSettlement).where(col(OutcomeSettlement.account_id) == account_id)
    rows = await _fetch_page(session, query, OutcomeSettlement, limit, after)
    return [await settlement_json(session, one) for one in rows]


async def settlement_json(session: AsyncSession, settlement: OutcomeSettlement) -> dict[str, Any]:
    """Render a settlement with its recomputed parts by attester, charges and disputes."""
    settled = await load_settlement_details(session, settlement)
    bundle = settled.bundle
    return {
        "object": "outcome.settlement",
        "id": ids.format_id(SETTLEMENT_PREFIX, settlement.id),
        "contract": bundle.tag,
        "status": settled.status,
        "starts_at": settlement.starts_at.isoformat(),
        "ends_at": settlement.ends_at.isoformat(),
        "quantity": format_units(settlement.micro),
        "amount": minor_text(settlement.minor, bundle.currency),
        "currency": bundle.currency,
        "by_attester": [_part_json(part, bundle) for part in compute_result(bundle).parts],
        "outcomes": [one.id for one in bundle.outcomes],
        "decisions": _decisions_json(bundle),
        "predictions": [_period_json(one) for one in assess_periods(bundle)],
        "made_at": settlement.made_at.isoformat(),
        "disputable_until": settlement.disputable_until.isoformat(),
        "accepted_at": _isoformat(settlement.accepted_at),
        **_charges_json(settled),
        "disputes": [ids.format_id(DISPUTE_PREFIX, one.id) for one in settled.disputes],
        "digest": settlement.digest.hex(),
    }


async def disputes_page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[dict[str, Any]]:
    """Render a page of the account's disputes, newest first."""
    rows = await list_account_disputes(session, account_id, limit, after)
    return [await dispute_json(session, one) for one in rows]


async def dispute_json(session: AsyncSession, dispute: Dispute) -> dict[str, Any]:
    """Render a dispute, with the recomputed result of its settlement's bundle."""
    settlement = await get_settlement(session, dispute.account_id, dispute.settlement_id)
    bundle = parse_bundle(settlement.bundle)
    recomputed = compute_result(bundle)
    return {
        "object": "outcome.dispute",
        "id": ids.format_id(DISPUTE_PREFIX, dispute.id),
        "settlement": ids.format_id(SETTLEMENT_PREFIX, settlement.id),
        "outcomes": dispute.outcomes,
        "status": dispute_status(dispute),
        "reason": dispute.reason,
        "opened_by": dispute.opened_by,
        "opened_at": dispute.opened_at.isoformat(),
        "frozen": minor_text(dispute.frozen, bundle.currency),
        "currency": bundle.currency,
        "answer": dispute.answer,
        "answer_due": dispute.answer_due.isoformat(),
        "answered_at": _isoformat(dispute.answered_at),
        "reply": dispute.reply,
        "reply_due": _isoformat(dispute.reply_due),
        "decision_due": _isoformat(dispute.decision_due),
        "replied_at": _isoformat(dispute.replied_at),
        "decided_for": dispute.decided_for,
        "decided_by": dispute.decided_by,
        "decided_at": _isoformat(dispute.decided_at),
        "digest": settlement.digest.hex(),
        "replayed": {
            "amount": minor_text(recomputed.minor, bundle.currency),
            "quantity": format_units(recomputed.micro),
            "agrees": recomputed == bundle.result,
        },
    }


def replay_json(replayed: ReplayResult) -> dict[str, Any]:
    """Render the recomputed result of a bundle and its differences from the stated figures."""
    result = replayed.result
    return {
        "settlement": replayed.settlement,
        "quantity": format_units(result.micro),
        "amount": minor_text(result.minor, replayed.currency),
        "currency": replayed.currency,
        "agrees": not replayed.differences,
        "differences": [
            {"figure": one.figure, "stated": str(one.stated), "computed": str(one.computed)}
            for one in replayed.differences
        ],
    }


async def _fetch_page(
    session: AsyncSession,
    query: Select[Any],
    table: type[_Row],
    limit: int,
    after: UUID | None,
) -> Sequence[_Row]:
    """Fetch up to `limit` rows older than `after`, newest first; `query` filters by account_id."""
    rows = (await session.scalars(page_of(query, col(table.id), limit, after))).all()
    return rows


async def _tags_by_contract(session: AsyncSession, account_id: UUID) -> dict[UUID, str]:
    """Return the tags of the account's contracts by contract id."""
    query = select(OutcomeContract.id, OutcomeContract.tag).where(
        col(OutcomeContract.account_id) == account_id
    )
    return {one: tag for one, tag in (await session.execute(query)).all()}


async def _call_requirements(
    session: AsyncSession, account_id: UUID, rows: Iterable[Outcome]
) -> dict[UUID, str]:
    """Return the text on required calls, by version id, for claims refused for their calls."""
    refused = ClaimRefusal.CALL_NOT_ELIGIBLE.value
    version_ids = {one.version_id for one in rows if one.refused_for == refused}
    query = select(OutcomeVersion.id, OutcomeVersion.terms).where(
        col(OutcomeVersion.account_id) == account_id, col(OutcomeVersion.id).in_(version_ids)
    )
    return {
        version_id: supporting_call_requirement(parse_outcome_terms(terms.encode()))
        for version_id, terms in (await session.execute(query)).all()
    }


def _outcome_json(outcome: Outcome, tag: str, call_requirement: str | None) -> dict[str, Any]:
    """Render an outcome; `call_requirement` explains a refusal of ineligible calls."""
    settlement_id, refusal = outcome.settlement_id, outcome.refused_for
    not_eligible = refusal == ClaimRefusal.CALL_NOT_ELIGIBLE.value
    return {
        "object": "outcome",
        "id": ids.format_id(OUTCOME_PREFIX, outcome.id),
        "contract": tag,
        "business_key": outcome.business_key,
        "subject": outcome.subject,
        "status": outcome_status(outcome),
        "happened_at": outcome.happened_at.isoformat(),
        "claimed_at": outcome.claimed_at.isoformat(),
        "attested_by": outcome.attested_by,
        "confirmed_at": _isoformat(outcome.confirmed_at),
        "refused_for": refusal,
        "refusal_message": call_requirement if not_eligible else None,
        "reversed_at": _isoformat(outcome.reversed_at),
        "settlement": None
        if settlement_id is None
        else ids.format_id(SETTLEMENT_PREFIX, settlement_id),
        "decision": None
        if outcome.decision_id is None
        else ids.format_id(DECISION_PREFIX, outcome.decision_id),
        "prediction": None
        if outcome.prediction_id is None
        else ids.format_id(PREDICTION_PREFIX, outcome.prediction_id),
    }


def _period_json(period: AssessedPeriod) -> dict[str, Any]:
    """Render the figures of a prediction period, with the rule that decided on its payment."""
    rules = period.rules
    return {
        "rule": rules.version,
        "starts_at": period.period.starts_at.isoformat(),
        "ends_at": period.period.ends_at.isoformat(),
        "settle_months": rules.settle_months,
        **scores_json(period.scores),
        **assessment_json(period.assessment),
    }


def _decisions_json(bundle: EvidenceBundle) -> dict[str, str]:
    """Return the decision records that the claims of a settlement name, by outcome."""
    said = {one.id: one.said for one in bundle.evidence}
    claims = {one.id: msgspec.json.decode(said[one.claim]) for one in bundle.outcomes}
    return {name: claim["decision"] for name, claim in claims.items() if claim.get("decision")}


def _charges_json(settled: SettlementDetails) -> dict[str, str]:
    """Render the waiting, invoiced and credited amounts in major units."""
    amounts = ("waiting", "invoiced", "credited")
    currency = settled.bundle.currency
    return {name: minor_text(getattr(settled, name), currency) for name in amounts}


def _part_json(part: AttesterPart, bundle: EvidenceBundle) -> dict[str, str]:
    """Render an attester kind's quantity and amount in major units."""
    return {
        "attested_by": part.attested_by,
        "quantity": format_units(part.micro),
        "amount": minor_text(part.minor, bundle.currency),
    }


def _isoformat(at: datetime | None) -> str | None:
    """Return the time in ISO 8601, or None for None."""
    return None if at is None else at.isoformat()
