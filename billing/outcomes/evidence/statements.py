"""Statements: what an attester signed about an outcome, read from the evidence.

    {"outcome": <business key>, "subject": …, "happened_at": …, "calls": [req_…]}

The signed text itself names the outcome, so that a statement about one is of no use for another.
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

from billing.dates import instant_of
from billing.metering.usage import REQUEST_PREFIX
from billing.outcomes.contracts.attribution import MOST_CALLS
from billing.tables import Attester, Evidence
from infra import ids
from infra.errors import AppError

_MOST_TEXT = 200


class StatementNotFound(AppError):
    """The contract has no such evidence."""

    status = 404
    type = "invalid_request_error"
    code = "outcome_statement_not_found"


class StatementInvalid(AppError):
    """The evidence does not say what it is used for, or says it of another outcome."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_statement_invalid"


class Says(StrEnum):
    """What evidence about an outcome can be."""

    CLAIM = "claim"
    CONFIRMATION = "confirmation"
    DENIAL = "denial"
    REVERSAL = "reversal"


@dataclass(frozen=True, slots=True)
class Statement:
    """Evidence with its attester, and what it says."""

    evidence: Evidence
    attester: Attester
    said: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.said["outcome"])


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim says. Without `calls` they are found by their tags."""

    business_key: str
    subject: str
    happened_at: datetime
    calls: tuple[UUID, ...] | None


async def read_statement(
    session: AsyncSession, account_id: UUID, contract_id: UUID, evidence_id: UUID, says: Says
) -> Statement:
    """Evidence of a contract that says so much. Raises StatementNotFound, StatementInvalid."""
    query = (
        select(Evidence, Attester)
        .join(Attester, col(Attester.id) == col(Evidence.attester_id))
        .where(
            col(Evidence.account_id) == account_id,
            col(Evidence.contract_id) == contract_id,
            col(Evidence.id) == evidence_id,
        )
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise StatementNotFound("The contract has no such evidence.", param="evidence")
    evidence, attester = found
    if evidence.kind != says:
        raise StatementInvalid(f"The evidence is a {evidence.kind[:60]}, not a {says}.")
    return Statement(evidence, attester, _said(evidence.said))


def require_about(statement: Statement, business_key: str) -> None:
    """Raises StatementInvalid for what was said of another outcome."""
    if statement.outcome != business_key:
        raise StatementInvalid("The evidence is about another outcome.", param="evidence")


def claimed(statement: Statement) -> Claimed:
    """What the claim says. Raises StatementInvalid."""
    said = statement.said
    subject = said.get("subject")
    _require(isinstance(subject, str) and 0 < len(subject) <= _MOST_TEXT, "subject")
    return Claimed(statement.outcome, str(subject), _moment(said), _calls(said))


def _said(text: str) -> Mapping[str, Any]:
    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError:
        said = None
    _require(isinstance(said, dict), "evidence")
    key = said.get("outcome")
    _require(isinstance(key, str) and 0 < len(key) <= _MOST_TEXT, "outcome")
    return dict(said)


def _moment(said: Mapping[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(said["happened_at"])
        if at.tzinfo is not None:
            return instant_of(at, ZoneInfo("UTC"))
    except (KeyError, TypeError, ValueError):
        pass
    raise _invalid("happened_at")


def _calls(said: Mapping[str, Any]) -> tuple[UUID, ...] | None:
    named = said.get("calls")
    if named is None:
        return None
    _require(isinstance(named, list) and len(named) <= MOST_CALLS, "calls")
    found = [ids.parse(REQUEST_PREFIX, str(one)) for one in named]
    _require(None not in found, "calls")
    return tuple(one for one in found if one is not None)


def _require(holds: bool, field: str) -> None:
    if not holds:
        raise _invalid(field)


def _invalid(field: str) -> StatementInvalid:
    return StatementInvalid(f"The signed text's {field} is missing or wrong.", param=field)
