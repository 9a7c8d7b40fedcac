"""Sign decision records, and find stored ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.usage_log import SignedDecision
from billing.outcomes.evidence.decision_records import decision_message
from billing.outcomes.evidence.signatures import public_pem
from billing.tables import DecisionRecord, Usage
from gateway.collaboration.decisions import RECORD_PREFIX, Decision
from gateway.collaboration.records import canonical_text, record_document
from infra import ids
from infra.clock import Clock
from infra.errors import AppError
from infra.secrets.signing_key import SigningKey


class DecisionRecordNotFound(AppError):
    """The account has no such decision record."""

    status = 404
    type = "invalid_request_error"
    code = "decision_record_not_found"


@dataclass(frozen=True, slots=True)
class RecordContext:
    """For whom and what is decided: account, the client's call, subject and question."""

    account_id: UUID
    request_id: UUID
    subject: str | None
    question: str


class DecisionSigner:
    """Signs the decision records of one gateway process.

    They are stored in the commit of their call's usage rows (billing/metering/usage_log.py): a
    billed answer has all of its records, and one that is not recorded has none.
    """

    def __init__(self, key: SigningKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def sign(
        self, context: RecordContext, decisions: Sequence[Decision]
    ) -> tuple[SignedDecision, ...]:
        """Return the signed records of the decisions that have findings."""
        return tuple(
            self._sign(context, decision, decision.record_id)
            for decision in decisions
            if decision.record_id is not None
        )

    def _sign(self, context: RecordContext, decision: Decision, record_id: UUID) -> SignedDecision:
        """Return the signed record of one decision."""
        now = self._clock.now()
        text = canonical_text(
            record_document(
                decision, record_id, context.request_id, context.subject, context.question, now
            )
        )
        return SignedDecision(
            id=record_id,
            account_id=context.account_id,
            request_id=context.request_id,
            model=decision.tool.model,
            verdict=decision.verdict.value,
            document=text,
            signature=self._key.sign(decision_message(record_id, text)),
            key_id=self._key.key_id,
            created_at=now,
        )


async def list_records(
    session: AsyncSession,
    account_id: UUID,
    limit: int,
    after: UUID | None = None,
    request_id: UUID | None = None,
    project_id: UUID | None = None,
) -> Sequence[DecisionRecord]:
    """Return an account's records, the newest first, `after` one if it is given.

    With a request id, only those of that call; with a project, only those of its calls.
    """
    query = select(DecisionRecord).where(col(DecisionRecord.account_id) == account_id)
    if after is not None:
        query = query.where(col(DecisionRecord.id) < after)
    if request_id is not None:
        query = query.where(col(DecisionRecord.request_id) == request_id)
    if project_id is not None:
        query = query.where(_is_of_project(account_id, project_id))
    query = query.order_by(col(DecisionRecord.id).desc()).limit(limit)
    return (await session.scalars(query)).all()


async def find_record(
    session: AsyncSession, account_id: UUID, text: str, project_id: UUID | None = None
) -> DecisionRecord:
    """Return an account's record by its public id, of any project unless one is given.

    Raises DecisionRecordNotFound.
    """
    record_id = ids.parse_id(RECORD_PREFIX, text)
    query = select(DecisionRecord).where(
        col(DecisionRecord.account_id) == account_id, col(DecisionRecord.id) == record_id
    )
    if project_id is not None:
        query = query.where(_is_of_project(account_id, project_id))
    found = None if record_id is None else (await session.scalars(query)).first()
    if found is None:
        raise DecisionRecordNotFound(f"There is no decision record {text[:60]!r}.", param="id")
    return found


def _is_of_project(account_id: UUID, project_id: UUID) -> ColumnElement[bool]:
    """Whether a record's call belongs to a project other than the default one."""
    call = select(col(Usage.request_id)).where(
        col(Usage.request_id) == col(DecisionRecord.request_id),
        col(Usage.account_id) == account_id,
        col(Usage.project_id) == project_id,
    )
    return call.exists()


def record_json(record: DecisionRecord, key: SigningKey) -> dict[str, Any]:
    """Return a record for clients: the signed text as it is, and what verifies it."""
    return {
        "id": ids.format_id(RECORD_PREFIX, record.id),
        "object": "decision_record",
        "model": record.model,
        "verdict": record.verdict,
        "created_at": int(record.created_at.timestamp()),
        "document": record.document,
        "signature": record.signature,
        "key_id": record.key_id,
        "public_key": public_pem(key.public_key) if record.key_id == key.key_id else None,
    }
