"""Proofs of payment: a PDF file or image that a customer uploads for an open invoice."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.bank_statements.errors import PaymentProofInvalid, PaymentProofNotFound
from billing.invoices.lifecycle import InvalidInvoiceState, get_invoice
from billing.tables import Invoice, InvoiceStatus, PaymentProof
from infra import ids
from infra.clock import Clock

PROOF_ID_PREFIX = "proof"
MAX_PROOF_BYTES = 5 << 20
MAX_PROOFS = 10  # of an invoice
# By how a file begins.
_MEDIA_TYPES: Mapping[bytes, str] = MappingProxyType(
    {b"%PDF-": "application/pdf", b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
)
_EXTENSIONS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}
_WITHOUT_CONTENT: Any = defer(PaymentProof.content, raiseload=True)  # type: ignore[arg-type]


async def store_proof(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    by: str,
    content: bytes,
) -> PaymentProof:
    """Store a proof of payment of an open invoice.

    Raises InvoiceNotFound, InvalidInvoiceState, PaymentProofInvalid.
    """
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    media_type = _detect_media_type(content)
    if invoice.status != InvoiceStatus.OPEN:
        raise InvalidInvoiceState(f"The invoice is {invoice.status}, so no payment is due.")
    if len(await list_proofs(session, account_id, invoice_id)) >= MAX_PROOFS:
        raise PaymentProofInvalid(f"An invoice can have at most {MAX_PROOFS} proofs of payment.")
    proof = PaymentProof(
        id=ids.new_id(),
        account_id=account_id,
        invoice_id=invoice_id,
        media_type=media_type,
        size=len(content),
        content=content,
        uploaded_at=clock.now(),
        uploaded_by=by[:200],
    )
    session.add(proof)
    await session.flush()
    return proof


async def list_proofs(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> Sequence[PaymentProof]:
    """List the proofs of an invoice without their content, oldest first."""
    query = select(PaymentProof).where(
        col(PaymentProof.account_id) == account_id, col(PaymentProof.invoice_id) == invoice_id
    )
    return (
        await session.scalars(query.options(_WITHOUT_CONTENT).order_by(col(PaymentProof.id)))
    ).all()


async def list_open_proofs(session: AsyncSession) -> Sequence[PaymentProof]:
    """List the proofs of open invoices of all accounts (account_id), oldest first."""
    query = (
        select(PaymentProof)
        .join(Invoice, col(Invoice.id) == col(PaymentProof.invoice_id))
        .where(col(Invoice.status) == InvoiceStatus.OPEN.value)
        .options(_WITHOUT_CONTENT)
        .order_by(col(PaymentProof.id))
    )
    return (await session.scalars(query)).all()


async def read_proof(
    session: AsyncSession, proof_id: UUID, account_id: UUID | None = None
) -> PaymentProof:
    """Return a proof with its content; of any account for None, for operators only.

    Raises PaymentProofNotFound.
    """
    query = select(PaymentProof).where(col(PaymentProof.id) == proof_id)
    if account_id is not None:
        query = query.where(col(PaymentProof.account_id) == account_id)
    proof = (await session.scalars(query)).one_or_none()
    if proof is None:
        raise PaymentProofNotFound("There is no such proof of payment.")
    return proof


def proof_filename(proof: PaymentProof) -> str:
    """Return the name under which a proof is downloaded."""
    return f"{ids.format_id(PROOF_ID_PREFIX, proof.id)}.{_EXTENSIONS[proof.media_type]}"


def _detect_media_type(content: bytes) -> str:
    """Return a file's media type by how it begins. Raises PaymentProofInvalid."""
    if len(content) > MAX_PROOF_BYTES:
        raise PaymentProofInvalid("The file is too large: the maximum is 5 MiB.", param="upload")
    for start, media_type in _MEDIA_TYPES.items():
        if content.startswith(start):
            return media_type
    raise PaymentProofInvalid("Upload a PDF, PNG or JPEG file.", param="upload")
