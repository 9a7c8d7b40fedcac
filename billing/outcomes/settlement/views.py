"""Views: outcomes, settlements and disputes as JSON, for the API and the command line.

Amounts are decimal text of the major unit, quantities of a unit.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX, units_text
from billing.money import minor_text
from billing.outcomes.contracts.attribution import Refusal, requirement
from billing.outcomes.contracts.pricing import Part
from billing.outcomes.contracts.terms import read_outcome_terms
from billing.outcomes.settlement.bundle import Bundle, read_bundle
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.disputes import PREFIX as DISPUTE_PREFIX
from billing.outcomes.settlement.read_model import (
    Settled,
    dispute_status,
    disputes_in,
    outcome_status,
    read_settled,
)
from billing.outcomes.settlement.replay import Replayed, result_of
from billing.outcomes.settlement.settlement import get_settlement
from billing.tables import (
    Dispute,
    Outcome,
    OutcomeContract,
    OutcomeSettlement,
    OutcomeVersion,
)
from infra import ids

_Row = TypeVar("_Row", Outcome, OutcomeSettlement)


async def outcomes_page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[dict[str, Any]]:
    """The account's outcomes, refused ones too, the newest first."""
    query = select(Outcome).where(col(Outcome.account_id) == account_id)
    rows = await _page(session, query, Outcome, limit, after)
    tags = await _tags(session, account_id)
    required = await _required(session, account_id, rows)
    return [_outcome(one, tags[one.contract_id], required.get(one.version_id)) for one in rows]


async def outcome_json(session: AsyncSession, outcome: Outcome) -> dict[str, Any]:
    tags = await _tags(session, outcome.account_id)
    required = await _required(session, outcome.account_id, [outcome])
    return _outcome(outcome, tags[outcome.contract_id], required.get(outcome.version_id))


async def settlements_page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[dict[str, Any]]:
    """The account's settlements, the newest first."""
    query = select(OutcomeSettlement).where(col(OutcomeSettlement.account_id) == account_id)
    rows = await _page(session, query, OutcomeSettlement, limit, after)
    return [await settlement_json(session, one) for one in rows]


async def settlement_json(session: AsyncSession, settlement: OutcomeSettlement) -> dict[str, Any]:
    settled = await read_settled(session, settlement)
    bundle = settled.bundle
    return {
        "object": "outcome.settlement",
        "id": ids.show(SETTLEMENT_PREFIX, settlement.id),
        "contract": bundle.tag,
        "status": settled.status,
        "starts_at": settlement.starts_at.isoformat(),
        "ends_at": settlement.ends_at.isoformat(),
        "quantity": units_text(settlement.micro),
        "amount": minor_text(settlement.minor, bundle.currency),
        "currency": bundle.currency,
        "by_attester": [_part(part, bundle) for part in result_of(bundle).parts],
        "outcomes": [one.id for one in bundle.outcomes],
        "made_at": settlement.made_at.isoformat(),
        "disputable_until": settlement.disputable_until.isoformat(),
        "accepted_at": _moment(settlement.accepted_at),
        **_charged(settled),
        "disputes": [ids.show(DISPUTE_PREFIX, one.id) for one in settled.disputes],
        "digest": settlement.digest.hex(),
    }


async def disputes_page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[dict[str, Any]]:
    """The account's disputes, the newest first."""
    rows = await disputes_in(session, account_id, limit, after)
    return [await dispute_json(session, one) for one in rows]


async def dispute_json(session: AsyncSession, dispute: Dispute) -> dict[str, Any]:
    """A dispute, with what its settlement's bundle comes to when it is computed again."""
    settlement = await get_settlement(session, dispute.account_id, dispute.settlement_id)
    bundle = read_bundle(settlement.bundle)
    again = result_of(bundle)
    return {
        "object": "outcome.dispute",
        "id": ids.show(DISPUTE_PREFIX, dispute.id),
        "settlement": ids.show(SETTLEMENT_PREFIX, settlement.id),
        "outcomes": dispute.outcomes,
        "status": dispute_status(dispute),
        "reason": dispute.reason,
        "opened_by": dispute.opened_by,
        "opened_at": dispute.opened_at.isoformat(),
        "frozen": minor_text(dispute.frozen, bundle.currency),
        "currency": bundle.currency,
        "answer": dispute.answer,
        "answer_due": dispute.answer_due.isoformat(),
        "answered_at": _moment(dispute.answered_at),
        "reply": dispute.reply,
        "reply_due": _moment(dispute.reply_due),
        "decision_due": _moment(dispute.decision_due),
        "replied_at": _moment(dispute.replied_at),
        "decided_for": dispute.decided_for,
        "decided_by": dispute.decided_by,
        "decided_at": _moment(dispute.decided_at),
        "digest": settlement.digest.hex(),
        "replayed": {
            "amount": minor_text(again.minor, bundle.currency),
            "quantity": units_text(again.micro),
            "agrees": again == bundle.result,
        },
    }


def replayed_json(replayed: Replayed) -> dict[str, Any]:
    """What a bundle computes to, and where it states anything else."""
    result = replayed.result
    return {
        "settlement": replayed.settlement,
        "quantity": units_text(result.micro),
        "amount": minor_text(result.minor, replayed.currency),
        "currency": replayed.currency,
        "agrees": not replayed.differences,
        "differences": [
            {"figure": one.figure, "stated": str(one.stated), "computed": str(one.computed)}
            for one in replayed.differences
        ],
    }


async def _page(
    session: AsyncSession,
    query: Select[Any],
    row: type[_Row],
    limit: int,
    after: UUID | None,
) -> Sequence[_Row]:
    """The next rows of a query that names the account_id."""
    if after is not None:
        query = query.where(col(row.id) < after)
    found = (await session.scalars(query.order_by(col(row.id).desc()).limit(limit))).all()
    return found


async def _tags(session: AsyncSession, account_id: UUID) -> dict[UUID, str]:
    query = select(OutcomeContract.id, OutcomeContract.tag).where(
        col(OutcomeContract.account_id) == account_id
    )
    return {one: tag for one, tag in (await session.execute(query)).all()}


async def _required(
    session: AsyncSession, account_id: UUID, rows: Iterable[Outcome]
) -> dict[UUID, str]:
    """What the contract requires of a call, by version, for claims whose calls are not eligible."""
    refused = Refusal.CALL_NOT_ELIGIBLE.value
    wanted = {one.version_id for one in rows if one.refused_for == refused}
    query = select(OutcomeVersion.id, OutcomeVersion.terms).where(
        col(OutcomeVersion.account_id) == account_id, col(OutcomeVersion.id).in_(wanted)
    )
    return {
        version_id: requirement(read_outcome_terms(terms.encode()))
        for version_id, terms in (await session.execute(query)).all()
    }


def _outcome(outcome: Outcome, tag: str, required: str | None) -> dict[str, Any]:
    settlement, refusal = outcome.settlement_id, outcome.refused_for
    not_eligible = refusal == Refusal.CALL_NOT_ELIGIBLE.value
    return {
        "object": "outcome",
        "id": ids.show(OUTCOME_PREFIX, outcome.id),
        "contract": tag,
        "business_key": outcome.business_key,
        "subject": outcome.subject,
        "status": outcome_status(outcome),
        "happened_at": outcome.happened_at.isoformat(),
        "claimed_at": outcome.claimed_at.isoformat(),
        "attested_by": outcome.attested_by,
        "confirmed_at": _moment(outcome.confirmed_at),
        "refused_for": refusal,
        "refusal_message": required if not_eligible else None,
        "reversed_at": _moment(outcome.reversed_at),
        "settlement": None if settlement is None else ids.show(SETTLEMENT_PREFIX, settlement),
    }


def _charged(settled: Settled) -> dict[str, str]:
    amounts = ("waiting", "invoiced", "credited")
    currency = settled.bundle.currency
    return {name: minor_text(getattr(settled, name), currency) for name in amounts}


def _part(part: Part, bundle: Bundle) -> dict[str, str]:
    return {
        "attested_by": part.attested_by,
        "quantity": units_text(part.micro),
        "amount": minor_text(part.minor, bundle.currency),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
