"""Sign decision records, store them after their call's usage rows, and find them again."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.evidence.signatures import is_valid_signature, parse_signature, public_pem
from gateway.collaboration.decisions import RECORD_PREFIX, Decision
from gateway.collaboration.records import canonical_text, record_document, signing_message
from gateway.tables import DecisionRecord
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, DatabaseUnavailable
from infra.errors import AppError
from infra.secrets.signing_key import SigningKey

PURPOSE = "decision records"
# Records that wait for the database to come back; older ones are dropped with an error in the log.
_MAX_WAITING = 10_000
_RETRY_S = 5.0


class DecisionRecordNotFound(AppError):
    """The account has no such decision record."""

    status = 404
    type = "invalid_request_error"
    code = "decision_record_not_found"


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A signed record that is to be stored."""

    id: UUID
    account_id: UUID
    request_id: UUID
    model: str
    verdict: str
    document: str
    signature: str
    key_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RecordContext:
    """For whom and what is decided: account, the client's call, subject and question."""

    account_id: UUID
    request_id: UUID
    subject: str | None
    question: str


class DecisionLog:
    """Signs and stores the decision records of one gateway process.

    A record is written after the commit of its call's usage rows and before the end of the answer:
    a process that dies in between has delivered no answer that names it.
    """

    def __init__(
        self, database: Database, key: SigningKey, clock: Clock, retry_s: float = _RETRY_S
    ) -> None:
        self._database = database
        self._key = key
        self._clock = clock
        self._retry_s = retry_s
        self._retry: asyncio.Task[None] | None = None
        self._waiting: deque[SignedRecord] = deque(maxlen=_MAX_WAITING)
        self._log = structlog.get_logger()

    def sign(
        self, context: RecordContext, decisions: Sequence[Decision]
    ) -> tuple[SignedRecord, ...]:
        """Return the signed records of the decisions that have findings."""
        return tuple(
            self._sign(context, decision, decision.record_id)
            for decision in decisions
            if decision.record_id is not None
        )

    async def write(self, records: Sequence[SignedRecord]) -> None:
        """Store records, with those that could not be stored before; never raises for them.

        The call is billed already, so its answer is not withheld: its records are stored later if
        the database does not answer.
        """
        waiting = [*self._waiting, *records]
        self._waiting.clear()
        try:
            async with self._database.transaction() as session:
                session.add_all(DecisionRecord(**_columns(record)) for record in waiting)
        except DatabaseUnavailable as error:
            self._waiting.extend(waiting)
            self._log.error("decision records cannot be stored yet", reason=repr(error))
            asyncio.get_running_loop().call_later(self._retry_s, self._write_again)

    def _write_again(self) -> None:
        """Store what waits, in a task of its own."""
        self._retry = asyncio.create_task(self.write(()), name="decision-records")

    def _sign(self, context: RecordContext, decision: Decision, record_id: UUID) -> SignedRecord:
        """Return the signed record of one decision."""
        now = self._clock.now()
        text = canonical_text(
            record_document(
                decision, record_id, context.request_id, context.subject, context.question, now
            )
        )
        return SignedRecord(
            id=record_id,
            account_id=context.account_id,
            request_id=context.request_id,
            model=decision.tool.model,
            verdict=decision.verdict.value,
            document=text,
            signature=self._key.sign(signing_message(record_id, text)),
            key_id=self._key.key_id,
            created_at=now,
        )


async def list_records(
    session: AsyncSession,
    account_id: UUID,
    limit: int,
    after: UUID | None = None,
    request_id: UUID | None = None,
) -> Sequence[DecisionRecord]:
    """Return an account's records, the newest first, `after` one if it is given.

    With a request id, only those of that call.
    """
    query = select(DecisionRecord).where(col(DecisionRecord.account_id) == account_id)
    if after is not None:
        query = query.where(col(DecisionRecord.id) < after)
    if request_id is not None:
        query = query.where(col(DecisionRecord.request_id) == request_id)
    query = query.order_by(col(DecisionRecord.id).desc()).limit(limit)
    return (await session.scalars(query)).all()


async def find_record(session: AsyncSession, account_id: UUID, text: str) -> DecisionRecord:
    """Return an account's record by its public id. Raises DecisionRecordNotFound."""
    record_id = ids.parse_id(RECORD_PREFIX, text)
    query = select(DecisionRecord).where(
        col(DecisionRecord.account_id) == account_id, col(DecisionRecord.id) == record_id
    )
    found = None if record_id is None else (await session.scalars(query)).first()
    if found is None:
        raise DecisionRecordNotFound(f"There is no decision record {text[:60]!r}.", param="id")
    return found


def is_authentic(record_id: UUID, document: str, signature: str, public_key: bytes) -> bool:
    """Return whether a record's signature is by this key over this text.

    Raises AttestationInvalid for a signature that is none.
    """
    message = signing_message(record_id, document)
    return is_valid_signature(public_key, message, parse_signature(signature))


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


def _columns(record: SignedRecord) -> dict[str, Any]:
    """Return the columns of a record's row."""
    return {name: getattr(record, name) for name in SignedRecord.__dataclass_fields__}
