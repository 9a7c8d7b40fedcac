"""Settling: money that comes in for an invoice, by whichever way.

Owns recording a payment once for each reference, booking it, and what then changes.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_credit
from billing.invoices.lifecycle import (
    InvoiceStateWrong,
    end_collection,
    get_invoice,
    part_paid_outside,
    settle_if_paid,
)
from billing.invoices.suspension import restore_if_paid
from billing.ledger.ledger import Book, Kind, Posting, booked_for, post
from billing.tables import Invoice, InvoiceStatus, Payment, WalletGrant
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

STRIPE = "stripe"
_MOST_MINOR = 10**13


class PaymentInvalid(AppError):
    """An amount that is nothing, negative or absurd, or no reference."""

    status = 400
    type = "invalid_request_error"
    code = "payment_invalid"


class PaymentDiffers(AppError):
    """The same reference was recorded with another amount or invoice."""

    status = 409
    type = "invalid_request_error"
    code = "payment_differs"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Money that came in: `reference` is the bank's or Stripe's own name for it."""

    method: str
    reference: str
    minor: int
    received_at: datetime


async def record_payment(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID, receipt: Receipt
) -> Invoice:
    """Record money for an invoice; the same reference again changes nothing.

    More than is owed goes into the wallet: so does what Stripe took before it heard that the
    invoice is void. Raises InvoiceNotFound, InvoiceStateWrong, PaymentInvalid, PaymentDiffers.
    """
    if not 0 < receipt.minor <= _MOST_MINOR or not 0 < len(receipt.reference) <= 200:
        raise PaymentInvalid("A payment is an amount above nothing, with the bank's reference.")
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    payment_id = await _record(session, clock, invoice, receipt)
    if payment_id is None:
        return invoice
    if invoice.status == InvoiceStatus.DRAFT or (
        invoice.status == InvoiceStatus.VOID and receipt.method != STRIPE
    ):
        raise InvoiceStateWrong(f"The invoice is {invoice.status}: nothing is owed for it.")
    await _book(session, clock, invoice, receipt)
    paid = await settle_if_paid(session, clock, invoice)
    if receipt.method != STRIPE and paid:
        await end_collection(session, clock, invoice, "stripe_paid_elsewhere")
    elif receipt.method != STRIPE:
        await part_paid_outside(session, clock, invoice, payment_id, receipt.minor)
    await refresh_credit(session, clock, account_id)
    await restore_if_paid(session, clock, account_id)
    return invoice


async def _record(
    session: AsyncSession, clock: Clock, invoice: Invoice, receipt: Receipt
) -> UUID | None:
    """The new payment's id; None where it was recorded before. Raises PaymentDiffers."""
    made = await session.execute(
        insert(Payment)
        .values(
            id=ids.new_id(),
            account_id=invoice.account_id,
            invoice_id=invoice.id,
            method=receipt.method,
            reference=receipt.reference,
            minor=receipt.minor,
            received_at=receipt.received_at,
            recorded_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["method", "reference"])
        .returning(col(Payment.id))
    )
    payment_id = made.scalar_one_or_none()
    if payment_id is not None:
        return payment_id
    known = (
        await session.scalars(
            select(Payment).where(
                col(Payment.account_id) == invoice.account_id,
                col(Payment.method) == receipt.method,
                col(Payment.reference) == receipt.reference,
            )
        )
    ).one_or_none()
    if known is None or (known.invoice_id, known.minor) != (invoice.id, receipt.minor):
        raise PaymentDiffers(
            f"{receipt.reference!r} was recorded before, for another amount or invoice."
        )
    return None


async def _book(session: AsyncSession, clock: Clock, invoice: Invoice, receipt: Receipt) -> None:
    """What is owed is settled; of what was given up, the loss is less; the rest is the wallet's."""
    given_up = invoice.status == InvoiceStatus.UNCOLLECTIBLE
    against = Book.BAD_DEBT if given_up else Book.RECEIVABLE
    left = await booked_for(session, invoice.account_id, invoice.id, against)
    settled = min(max(0, left), receipt.minor)
    surplus = receipt.minor - settled
    postings = [
        Posting(Book.CASH, receipt.minor, invoice.id),
        Posting(against, -settled, invoice.id),
    ]
    if surplus:
        grant = await _surplus(session, clock, invoice, receipt, surplus)
        postings.append(Posting(Book.WALLET, -surplus, grant_id=grant.id))
    key = f"payment:{receipt.method}:{receipt.reference}"
    place = (invoice.account_id, Kind.PAYMENT, key, invoice.currency)
    await post(session, clock, *place, postings)


async def _surplus(
    session: AsyncSession, clock: Clock, invoice: Invoice, receipt: Receipt, minor: int
) -> WalletGrant:
    grant = WalletGrant(
        id=ids.new_id(),
        account_id=invoice.account_id,
        business_key=f"payment:{receipt.method}:{receipt.reference}",
        paid=True,
        minor=minor,
        priority=50,
        created_at=clock.now(),
    )
    session.add(grant)
    await session.flush()
    return grant
