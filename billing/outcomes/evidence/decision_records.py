"""Decision records that claims name: what a specialist decided before the event, signed.

    maas-decision-v1
    drec_<record id>
    <SHA-256 of the text, in hexadecimal>

The signed message is these three ASCII lines, each with a line feed. A claim may name one record;
it must be the account's own, authentic, about the claim's subject, and made in the time before the
event in which the contract accepts calls.
"""

import hashlib
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.evidence.signatures import is_valid_signature, parse_signature
from billing.tables import DecisionRecord
from infra import ids
from infra.errors import AppError

PREFIX = "drec"
# Of the installation's key that signs records (infra/secrets/signing_key.py).
PURPOSE = "decision records"
_DOMAIN = "maas-decision-v1"


class DecisionRecordRejected(AppError):
    """The decision record that a claim names does not support it."""

    status = 400
    type = "invalid_request_error"
    code = "decision_record_rejected"


class _Document(msgspec.Struct):
    """What a claim needs of a record's signed text."""

    decided_at: datetime
    subject: str | None = None


def decision_message(record_id: UUID, text: str) -> bytes:
    """Return the bytes that are signed for a record's canonical text."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{_DOMAIN}\n{ids.format_id(PREFIX, record_id)}\n{digest}\n".encode()


def is_authentic(record_id: UUID, document: str, signature: str, public_key: bytes) -> bool:
    """Return whether a record's signature is by this key over this text.

    Raises AttestationInvalid for a signature that is none.
    """
    message = decision_message(record_id, document)
    return is_valid_signature(public_key, message, parse_signature(signature))


async def require_decision(
    session: AsyncSession,
    account_id: UUID,
    record_id: UUID,
    subject: str,
    decided_between: tuple[datetime, datetime],
    public_key: bytes | None,
) -> None:
    """Raise DecisionRecordRejected unless a record supports a claim about this subject.

    decided_between: the first and the last time at which it may have been made. public_key: the
    installation's for records; without one no record can be verified.
    """
    query = select(DecisionRecord).where(
        col(DecisionRecord.account_id) == account_id, col(DecisionRecord.id) == record_id
    )
    record = (await session.scalars(query)).one_or_none()
    if record is None:
        raise _rejected("The account has no such decision record.")
    if public_key is None or not is_authentic(
        record.id, record.document, record.signature, public_key
    ):
        raise _rejected("The signature of the decision record cannot be verified.")
    document = msgspec.json.decode(record.document, type=_Document)
    if document.subject != subject:
        raise _rejected("The decision record is about another subject.")
    first, last = decided_between
    if not first <= document.decided_at <= last:
        raise _rejected(
            "The decision record was not made in the time before the event in which the contract "
            "accepts calls."
        )


def _rejected(message: str) -> DecisionRecordRejected:
    """Return the error of a record that does not support a claim."""
    return DecisionRecordRejected(message, param="decision")
