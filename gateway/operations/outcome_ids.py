"""Ids of outcomes, settlements, disputes and evidence, as addresses and commands name them."""

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


def outcome_id(text: str) -> UUID:
    absent = OutcomeNotFound("The account has no such outcome.", param="outcome")
    return _id(OUTCOME_PREFIX, text, absent)


def settlement_id(text: str) -> UUID:
    absent = SettlementNotFound("The account has no such settlement.", param="settlement")
    return _id(SETTLEMENT_PREFIX, text, absent)


def dispute_id(text: str) -> UUID:
    absent = DisputeNotFound("The account has no such dispute.", param="dispute")
    return _id(DISPUTE_PREFIX, text, absent)


def evidence_id(text: str) -> UUID:
    absent = StatementNotFound("The contract has no such evidence.", param="evidence")
    return _id(EVIDENCE_PREFIX, text, absent)


def _id(prefix: str, text: str, absent: AppError) -> UUID:
    found = ids.parse(prefix, text)
    if found is None:
        raise absent
    return found
