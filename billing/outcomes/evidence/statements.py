"""Signed statements of attesters about outcomes: claims, confirmations, denials, reversals.

    {"outcome": <business key>, "subject": …, "happened_at": …, "calls": [req_…],
     "decision": "drec_…", "prediction": "pred_…"}

The signed text names the outcome, so that a statement cannot be reused for another outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import parse_instant
from billing.metering.usage import REQUEST_ID_PREFIX
from billing.outcomes.contracts.attribution import MAX_CALLS
from billing.outcomes.evidence.decision_records import PREFIX as DECISION_PREFIX
from billing.tables import Attester, Evidence
from infra import ids
from infra.errors import AppError

# Of records of the prediction ledger (billing/outcomes/predictions/).
PREDICTION_PREFIX = "pred"
_MAX_TEXT_LENGTH = 200


class StatementNotFound(AppError):
    """The contract has no such evidence."""

    status = 404
    type = "invalid_request_error"
    code = "outcome_statement_not_found"


class StatementInvalid(AppError):
    """The evidence is of another kind, about another outcome, or its JSON is invalid."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_statement_invalid"


class StatementType(StrEnum):
    """The kinds of evidence that are statements about an outcome."""

    CLAIM = "claim"
    CONFIRMATION = "confirmation"
    DENIAL = "denial"
    REVERSAL = "reversal"
    EVENT = "event"  # an event happened, whether it was predicted or not


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A signed statement: the evidence, its attester, and its parsed JSON content."""

    evidence: Evidence
    attester: Attester
    content: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        """The business key of the outcome that the statement is about."""
        return str(self.content["outcome"])


@dataclass(frozen=True, slots=True)
class ClaimDetails:
    """The content of a claim. If `calls` is None, the supporting calls are found by their tags.

    `decision` is the decision record that foresaw the outcome, `prediction` the record of the
    prediction ledger; None if the claim names none.
    """

    business_key: str
    subject: str
    happened_at: datetime
    calls: tuple[UUID, ...] | None
    decision: UUID | None = None
    prediction: UUID | None = None


async def get_statement(
    session: AsyncSession,
    account_id: UUID,
    contract_id: UUID,
    evidence_id: UUID,
    statement_type: StatementType,
) -> SignedStatement:
    """Load a signed statement of this type. Raises StatementNotFound, StatementInvalid."""
    query = (
        select(Evidence, Attester)
        .join(Attester, col(Attester.id) == col(Evidence.attester_id))
        .where(
            col(Evidence.account_id) == account_id,
            col(Evidence.contract_id) == contract_id,
            col(Evidence.id) == evidence_id,
        )
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise StatementNotFound("The contract has no such evidence.", param="evidence")
    evidence, attester = row
    if evidence.kind != statement_type:
        raise StatementInvalid(
            f"The evidence is a {evidence.kind[:60]}; a {statement_type} is needed."
        )
    return SignedStatement(evidence, attester, parse_statement(evidence.said))


def require_about_outcome(statement: SignedStatement, business_key: str) -> None:
    """Raise StatementInvalid if the statement is about another outcome."""
    if statement.outcome != business_key:
        raise StatementInvalid("The evidence is for another outcome.", param="evidence")


def parse_claim(statement: SignedStatement) -> ClaimDetails:
    """Parse the content of a claim. Raises StatementInvalid."""
    content = statement.content
    subject = content.get("subject")
    _require(isinstance(subject, str) and 0 < len(subject) <= _MAX_TEXT_LENGTH, "subject")
    return ClaimDetails(
        statement.outcome,
        str(subject),
        _parse_happened_at(content),
        _parse_call_ids(content),
        _parse_record_id(content, "decision", DECISION_PREFIX),
        _parse_record_id(content, "prediction", PREDICTION_PREFIX),
    )


def parse_event(statement: SignedStatement) -> tuple[str, str, datetime]:
    """Parse an observed event: business key, subject and time. Raises StatementInvalid."""
    return parse_event_fields(statement.content)


def parse_event_fields(content: Mapping[str, Any]) -> tuple[str, str, datetime]:
    """Return business key, subject and time of an event's JSON. Raises StatementInvalid."""
    key, subject = content.get("outcome"), content.get("subject")
    _require(isinstance(key, str) and 0 < len(key) <= _MAX_TEXT_LENGTH, "outcome")
    _require(isinstance(subject, str) and 0 < len(subject) <= _MAX_TEXT_LENGTH, "subject")
    return str(key), str(subject), _parse_happened_at(content)


def parse_statement(text: str) -> Mapping[str, Any]:
    """Parse a statement's text, a JSON object that names an outcome. Raises StatementInvalid."""
    try:
        content = msgspec.json.decode(text)
    except msgspec.DecodeError:
        content = None
    _require(isinstance(content, dict), "evidence")
    key = content.get("outcome")
    _require(isinstance(key, str) and 0 < len(key) <= _MAX_TEXT_LENGTH, "outcome")
    return dict(content)


def _parse_happened_at(content: Mapping[str, Any]) -> datetime:
    """Return the time of the outcome in UTC. Raises StatementInvalid without an offset."""
    try:
        at = datetime.fromisoformat(content["happened_at"])
        if at.tzinfo is not None:
            return parse_instant(at, ZoneInfo("UTC"))
    except (KeyError, TypeError, ValueError):
        pass
    raise _invalid("happened_at")


def _parse_call_ids(content: Mapping[str, Any]) -> tuple[UUID, ...] | None:
    """Return the ids in `calls`, or None if absent. Raises StatementInvalid."""
    named = content.get("calls")
    if named is None:
        return None
    _require(isinstance(named, list) and len(named) <= MAX_CALLS, "calls")
    call_ids = [ids.parse_id(REQUEST_ID_PREFIX, str(one)) for one in named]
    _require(None not in call_ids, "calls")
    return tuple(one for one in call_ids if one is not None)


def _parse_record_id(content: Mapping[str, Any], field: str, prefix: str) -> UUID | None:
    """Return the id of the record that `field` names, or None. Raises StatementInvalid."""
    named = content.get(field)
    if named is None:
        return None
    record_id = ids.parse_id(prefix, str(named))
    _require(record_id is not None, field)
    return record_id


def _require(condition: bool, field: str) -> None:
    """Raise StatementInvalid for the field if the condition is false."""
    if not condition:
        raise _invalid(field)


def _invalid(field: str) -> StatementInvalid:
    """Return a StatementInvalid error for a missing or wrong field."""
    return StatementInvalid(
        f"The field {field} of the signed text is missing or wrong.", param=field
    )
