"""Credit notes: reduce the amount of a final invoice.

The unpaid part of the invoice is reduced first; a part that was paid is added to the wallet or
refunded to the customer. A credit note has the parties of its invoice and stores none of its own.
Credit notes have their own number series, and a business key creates at most one.
"""

from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.collection_items import enqueue_credit
from billing.invoices.lifecycle import (
    InvalidInvoiceState,
    get_invoice,
    mark_paid_if_settled,
    next_document_number,
)
from billing.invoices.suspension import restore_calls_if_paid
from billing.ledger.ledger import (
    Book,
    Posting,
    TransactionKind,
    invoice_book_balance,
    outstanding_amount,
    post_transaction,
)
from billing.metering.packs import find_invoice_purchase
from billing.money import allocate, minor_text, rounded
from billing.tables import CreditNote, Invoice, InvoiceStatus, WalletGrant
from infra import ids
from infra.clock import Clock
from infra.errors import AppError


class CreditNoteInvalid(AppError):
    """The amount is not positive or exceeds the creditable amount, or the reference is invalid."""

    status = 400
    type = "invalid_request_error"
    code = "credit_invalid"


class CreditNoteConflict(AppError):
    """The business key was used for a different credit note."""

    status = 409
    type = "invalid_request_error"
    code = "credit_differs"


@dataclass(frozen=True, slots=True)
class CreditNoteRequest:
    """The amount to credit in minor units with tax, and the reason.

    With `refund`, a paid amount is refunded to the customer instead of added to the wallet.
    """

    minor: int
    reason: str
    refund: bool = False


async def create_credit_note(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    business_key: str,
    credit: CreditNoteRequest,
) -> CreditNote:
    """Create a credit note of an invoice, once per business key.

    Raises InvoiceNotFound, InvalidInvoiceState, CreditNoteInvalid, CreditNoteConflict.
    """
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    existing = await _find_by_business_key(session, account_id, business_key)
    if existing is not None:
        if not _matches_request(existing, invoice_id, credit):
            raise CreditNoteConflict(
                "This reference was used for another credit note. Use a new reference."
            )
        return existing
    if not 0 < len(business_key) <= 200:
        raise CreditNoteInvalid("A reference must have 1 to 200 characters.", param="reference")
    await _validate_request(session, invoice, credit)
    note = await _build_note(session, clock, invoice, business_key, credit)
    session.add(note)
    await session.flush()
    await _post_note(session, clock, invoice, note)
    await mark_paid_if_settled(session, clock, invoice)
    await enqueue_credit(session, clock, invoice, note.id)
    await refresh_account_credit(session, clock, account_id)
    await restore_calls_if_paid(session, clock, account_id)
    return note


async def creditable_amount(session: AsyncSession, invoice: Invoice) -> int:
    """Return what can still be credited of an open or paid invoice, in minor units with tax."""
    is_creditable = invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.PAID)
    return invoice.total - await _sum_credited(session, invoice) if is_creditable else 0


async def list_credit_notes(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> list[CreditNote]:
    """List the credit notes of an invoice, oldest first."""
    query = select(CreditNote).where(
        col(CreditNote.account_id) == account_id, col(CreditNote.invoice_id) == invoice_id
    )
    return list((await session.scalars(query.order_by(col(CreditNote.id)))).all())


def _matches_request(note: CreditNote, invoice_id: UUID, credit: CreditNoteRequest) -> bool:
    """Return whether a stored credit note results from the same request, as in a retry."""
    stored = (note.invoice_id, note.total, note.reason, note.refund)
    return stored == (invoice_id, credit.minor, _normalize_reason(credit), credit.refund)


def _normalize_reason(credit: CreditNoteRequest) -> str:
    """Return the reason without surrounding spaces, cut to 500 characters."""
    return credit.reason.strip()[:500]


async def _find_by_business_key(
    session: AsyncSession, account_id: UUID, business_key: str
) -> CreditNote | None:
    """Return the account's credit note with this business key, or None."""
    query = select(CreditNote).where(
        col(CreditNote.account_id) == account_id, col(CreditNote.business_key) == business_key
    )
    return (await session.scalars(query)).one_or_none()


async def _validate_request(
    session: AsyncSession, invoice: Invoice, credit: CreditNoteRequest
) -> None:
    """Raise unless the invoice is open or paid and the amount can still be credited."""
    if invoice.status not in (InvoiceStatus.OPEN, InvoiceStatus.PAID):
        raise InvalidInvoiceState(f"The invoice is {invoice.status}, so nothing can be credited.")
    creditable = await creditable_amount(session, invoice)
    if not 0 < credit.minor <= creditable:
        raise CreditNoteInvalid(
            f"{minor_text(creditable, invoice.currency)} {invoice.currency} of this invoice can "
            "still be credited.",
            param="amount",
        )


async def _sum_credited(session: AsyncSession, invoice: Invoice) -> int:
    """Return the total of an invoice's credit notes, in minor units with tax."""
    query = select(func.coalesce(func.sum(CreditNote.total), 0)).where(
        col(CreditNote.account_id) == invoice.account_id, col(CreditNote.invoice_id) == invoice.id
    )
    return int((await session.execute(query)).scalar_one())


async def _build_note(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    business_key: str,
    credit: CreditNoteRequest,
) -> CreditNote:
    """Compute tax, wallet and refund parts and build the credit note row."""
    earlier = await list_credit_notes(session, invoice.account_id, invoice.id)
    total = credit.minor
    # The tax share is computed for all credit notes together, so that crediting the whole invoice
    # in parts credits exactly its tax.
    total_credited = sum(note.total for note in earlier) + total
    tax_credited = rounded(Fraction(invoice.tax * total_credited, invoice.total))
    tax = tax_credited - sum(note.tax for note in earlier)
    outstanding = await outstanding_amount(session, invoice.account_id, invoice.id)
    paid = total - min(total, max(0, outstanding))
    # Only money received for the invoice can be refunded; wallet payments return to the wallet.
    cash = await invoice_book_balance(session, invoice.account_id, invoice.id, Book.CASH)
    refunded = min(paid, max(0, cash)) if credit.refund else 0
    return CreditNote(
        id=ids.new_id(),
        account_id=invoice.account_id,
        legal_entity_id=invoice.legal_entity_id,
        invoice_id=invoice.id,
        number=await next_document_number(session, invoice.legal_entity_id, "credit_note"),
        business_key=business_key,
        reason=_normalize_reason(credit),
        net=total - tax,
        tax=tax,
        total=total,
        refund=credit.refund,
        to_wallet=paid - refunded,
        refunded=refunded,
        created_at=clock.now(),
    )


async def _post_note(
    session: AsyncSession, clock: Clock, invoice: Invoice, note: CreditNote
) -> None:
    """Post the credit note to the ledger, with a wallet grant for its wallet part."""
    usage, fees = allocate(note.net, [invoice.usage, invoice.net - invoice.usage])
    pack = await find_invoice_purchase(session, note.account_id, invoice.id)
    postings = [
        Posting(Book.REVENUE_USAGE, usage, invoice.id),
        Posting(Book.REVENUE_FEES if pack is None else Book.DEFERRED_REVENUE, fees, invoice.id),
        Posting(Book.TAX, note.tax, invoice.id),
        Posting(Book.RECEIVABLE, note.to_wallet + note.refunded - note.total, invoice.id),
        Posting(Book.CASH, -note.refunded, invoice.id),
    ]
    if note.to_wallet:
        grant = WalletGrant(
            id=ids.new_id(),
            account_id=note.account_id,
            business_key=f"credit_note:{note.id}",
            paid=True,
            minor=note.to_wallet,
            priority=50,
            created_at=note.created_at,
        )
        session.add(grant)
        await session.flush()
        postings.append(Posting(Book.WALLET, -note.to_wallet, grant_id=grant.id))
    await post_transaction(
        session,
        clock,
        note.account_id,
        TransactionKind.CREDIT_NOTE,
        f"credit_note:{note.id}",
        invoice.currency,
        postings,
    )
