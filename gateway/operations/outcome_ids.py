"""Parse the public ids of outcomes, settlements, disputes and evidence."""

from uuid import UUID

from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.statements import StatementNotFound
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.claims import OutcomeNotFound
from billing.outcomes.settlement.disputes import PREFIX as DISPUTE_PREFIX
from billing.outcomes.settlement.disputes import DisputeNotFound
from billing.outcomes.settlement.settlement import SettlementNotFound
from infra import ids
from infra.errors import AppError


def parse_outcome_id(text: str) -> UUID:
    """Parse an outcome's public id. Raises OutcomeNotFound if it is malformed."""
    not_found = OutcomeNotFound("Outcome not found. Use its ID (outc_…).", param="outcome")
    return _parse_id(OUTCOME_PREFIX, text, not_found)


def parse_settlement_id(text: str) -> UUID:
    """Parse a settlement's public id. Raises SettlementNotFound if it is malformed."""
    not_found = SettlementNotFound("The account has no such settlement.", param="settlement")
    return _parse_id(SETTLEMENT_PREFIX, text, not_found)


def parse_dispute_id(text: str) -> UUID:
    """Parse a dispute's public id. Raises DisputeNotFound if it is malformed."""
    not_found = DisputeNotFound("The account has no such dispute.", param="dispute")
    return _parse_id(DISPUTE_PREFIX, text, not_found)


def parse_evidence_id(text: str) -> UUID:
    """Parse an evidence statement's public id. Raises StatementNotFound if it is malformed."""
    not_found = StatementNotFound("Evidence not found. Use its ID (evd_…).", param="evidence")
    return _parse_id(EVIDENCE_PREFIX, text, not_found)


def _parse_id(prefix: str, text: str, not_found: AppError) -> UUID:
    """Return the UUID of a public id with this prefix. Raises `not_found` if it is malformed."""
    parsed = ids.parse_id(prefix, text)
    if parsed is None:
        raise not_found
    return parsed
