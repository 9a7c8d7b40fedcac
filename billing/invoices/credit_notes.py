"""Credit notes: an amount of a final invoice that is not owed after all.

What is still owed for the invoice becomes less; what was paid already goes into the wallet, or
back to the customer. A note is between the parties of its invoice, since it takes back what was
sold between those, so it keeps none of its own. Owns writing them, numbered like invoices, once
for each business key.
"""

from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_credit
from billing.invoices.lifecycle import (
    InvoiceStateWrong,
    credit_outside,
    get_invoice,
    next_number,
    settle_if_paid,
)
from billing.invoices.suspension import restore_if_paid
from billing.ledger.ledger import Book, Kind, Posting, booked_for, owed, post
from billing.money import allocate, rounded
from billing.tables import CreditNote, Invoice, InvoiceStatus, WalletGrant
from infra import ids
from infra.clock import Clock
from infra.errors import AppError


class CreditInvalid(AppError):
    """An amount that is nothing, or more than the invoice has left to credit, or no reference."""

    status = 400
    type = "invalid_request_error"
    code = "credit_invalid"


class CreditDiffers(AppError):
    """The same key was used for another credit note."""

    status = 409
    type = "invalid_request_error"
    code = "credit_differs"


@dataclass(frozen=True, slots=True)
class Credit:
    """What is credited, in minor units with tax, and why. `refund`: money that was paid goes back
    to the customer rather than into the wallet."""

    minor: int
    reason: str
    refund: bool = False


async def write_credit_note(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    business_key: str,
    credit: Credit,
) -> CreditNote:
    """Credit an amount of an invoice, once for each key. Raises InvoiceNotFound,
    InvoiceStateWrong, CreditInvalid, CreditDiffers."""
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    known = await _known(session, account_id, business_key)
    if known is not None:
        if not _is_same(known, invoice_id, credit):
            raise CreditDiffers("This key was used for another credit note.")
        return known
    if not 0 < len(business_key) <= 200:
        raise CreditInvalid("A reference has 1 to 200 characters.", param="reference")
    await _require(session, invoice, credit)
    note = await _note(session, clock, invoice, business_key, credit)
    session.add(note)
    await session.flush()
    await _book(session, clock, invoice, note)
    await settle_if_paid(session, clock, invoice)
    await credit_outside(session, clock, invoice, note.id)
    await refresh_credit(session, clock, account_id)
    await restore_if_paid(session, clock, account_id)
    return note


async def credit_notes_of(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> list[CreditNote]:
    query = select(CreditNote).where(
        col(CreditNote.account_id) == account_id, col(CreditNote.invoice_id) == invoice_id
    )
    return list((await session.scalars(query.order_by(col(CreditNote.id)))).all())


def _is_same(note: CreditNote, invoice_id: UUID, credit: Credit) -> bool:
    known = (note.invoice_id, note.total, note.reason, note.refund)
    return known == (invoice_id, credit.minor, _reason(credit), credit.refund)


def _reason(credit: Credit) -> str:
    return credit.reason.strip()[:500]


async def _known(session: AsyncSession, account_id: UUID, business_key: str) -> CreditNote | None:
    query = select(CreditNote).where(
        col(CreditNote.account_id) == account_id, col(CreditNote.business_key) == business_key
    )
    return (await session.scalars(query)).one_or_none()


async def _require(session: AsyncSession, invoice: Invoice, credit: Credit) -> None:
    if invoice.status not in (InvoiceStatus.OPEN, InvoiceStatus.PAID):
        raise InvoiceStateWrong(f"The invoice is {invoice.status}: nothing can be credited.")
    left = invoice.total - await _credited(session, invoice)
    if not 0 < credit.minor <= left:
        raise CreditInvalid(
            f"Of this invoice {left} minor units of {invoice.currency} are left to credit.",
            param="amount",
        )


async def _credited(session: AsyncSession, invoice: Invoice) -> int:
    query = select(func.coalesce(func.sum(CreditNote.total), 0)).where(
        col(CreditNote.account_id) == invoice.account_id, col(CreditNote.invoice_id) == invoice.id
    )
    return int((await session.execute(query)).scalar_one())


async def _note(
    session: AsyncSession, clock: Clock, invoice: Invoice, business_key: str, credit: Credit
) -> CreditNote:
    before = await credit_notes_of(session, invoice.account_id, invoice.id)
    total = credit.minor
    # Of all notes together, so that crediting the whole in parts credits the whole tax.
    so_far = sum(note.total for note in before) + total
    tax = rounded(Fraction(invoice.tax * so_far, invoice.total)) - sum(note.tax for note in before)
    paid = total - min(total, max(0, await owed(session, invoice.account_id, invoice.id)))
    # What the wallet paid goes back there: of money that came in, so much is left.
    cash = await booked_for(session, invoice.account_id, invoice.id, Book.CASH)
    refunded = min(paid, max(0, cash)) if credit.refund else 0
    return CreditNote(
        id=ids.new_id(),
        account_id=invoice.account_id,
        legal_entity_id=invoice.legal_entity_id,
        invoice_id=invoice.id,
        number=await next_number(session, invoice.legal_entity_id, "credit_note"),
        business_key=business_key,
        reason=_reason(credit),
        net=total - tax,
        tax=tax,
        total=total,
        refund=credit.refund,
        to_wallet=paid - refunded,
        refunded=refunded,
        created_at=clock.now(),
    )


async def _book(session: AsyncSession, clock: Clock, invoice: Invoice, note: CreditNote) -> None:
    usage, fees = allocate(note.net, [invoice.usage, invoice.net - invoice.usage])
    postings = [
        Posting(Book.REVENUE_USAGE, usage, invoice.id),
        Posting(Book.REVENUE_FEES, fees, invoice.id),
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
    place = (note.account_id, Kind.CREDIT_NOTE, f"credit_note:{note.id}", invoice.currency)
    await post(session, clock, *place, postings)
