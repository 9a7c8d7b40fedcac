"""Payments of invoices: recorded once per reference, posted to the ledger and applied."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.collection_items import (
    CollectionAction,
    enqueue_change,
    enqueue_part_payment,
)
from billing.invoices.lifecycle import InvalidInvoiceState, get_invoice, mark_paid_if_settled
from billing.invoices.suspension import restore_calls_if_paid
from billing.ledger.ledger import (
    Book,
    Posting,
    TransactionKind,
    invoice_book_balance,
    post_transaction,
)
from billing.tables import Invoice, InvoiceStatus, Payment, WalletGrant
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_MAX_MINOR = 10**13


class PaymentInvalid(AppError):
    """The amount is not positive or too large, or the reference is missing."""

    status = 400
    type = "invalid_request_error"
    code = "payment_invalid"


class PaymentConflict(AppError):
    """The reference was recorded before with another amount or invoice."""

    status = 409
    type = "invalid_request_error"
    code = "payment_differs"


@dataclass(frozen=True, slots=True)
class IncomingPayment:
    """A payment received, in minor units; `reference` is the bank's or the collector's id.

    `method` is the collector's name if a collector received it.
    """

    method: str
    reference: str
    minor: int
    received_at: datetime


async def record_payment(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    payment: IncomingPayment,
) -> Invoice:
    """Record a payment of an invoice; a reference that was recorded before changes nothing.

    An amount above the outstanding one is added to the wallet, also if the collector charged an
    invoice that was voided meanwhile. Raises InvoiceNotFound, InvalidInvoiceState, PaymentInvalid,
    PaymentConflict.
    """
    if not 0 < payment.minor <= _MAX_MINOR or not 0 < len(payment.reference) <= 200:
        raise PaymentInvalid("A payment needs an amount greater than zero and a reference.")
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    payment_id = await _insert_payment(session, clock, invoice, payment)
    if payment_id is None:
        return invoice
    is_collected = payment.method == invoice.collector
    if invoice.status == InvoiceStatus.DRAFT or (
        invoice.status == InvoiceStatus.VOID and not is_collected
    ):
        raise InvalidInvoiceState(f"The invoice is {invoice.status}, so nothing is owed for it.")
    await _post_payment(session, clock, invoice, payment)
    paid = await mark_paid_if_settled(session, clock, invoice)
    if not is_collected and paid:
        await enqueue_change(session, clock, invoice, CollectionAction.MARK_PAID)
    elif not is_collected:
        await enqueue_part_payment(session, clock, invoice, payment_id, payment.minor)
    await refresh_account_credit(session, clock, account_id)
    await restore_calls_if_paid(session, clock, account_id)
    return invoice


async def _insert_payment(
    session: AsyncSession, clock: Clock, invoice: Invoice, payment: IncomingPayment
) -> UUID | None:
    """Insert the payment; return its id, or None if recorded before. Raises PaymentConflict."""
    inserted = await session.execute(
        insert(Payment)
        .values(
            id=ids.new_id(),
            account_id=invoice.account_id,
            invoice_id=invoice.id,
            method=payment.method,
            reference=payment.reference,
            minor=payment.minor,
            received_at=payment.received_at,
            recorded_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["method", "reference"])
        .returning(col(Payment.id))
    )
    payment_id = inserted.scalar_one_or_none()
    if payment_id is not None:
        return payment_id
    existing = (
        await session.scalars(
            select(Payment).where(
                col(Payment.account_id) == invoice.account_id,
                col(Payment.method) == payment.method,
                col(Payment.reference) == payment.reference,
            )
        )
    ).one_or_none()
    if existing is None or (existing.invoice_id, existing.minor) != (invoice.id, payment.minor):
        raise PaymentConflict(
            f"The reference {payment.reference!r} was used for another amount or invoice."
        )
    return None


async def _post_payment(
    session: AsyncSession, clock: Clock, invoice: Invoice, payment: IncomingPayment
) -> None:
    """Post a payment against the receivable (or the bad debt of an uncollectible invoice).

    A surplus is added to the wallet.
    """
    is_uncollectible = invoice.status == InvoiceStatus.UNCOLLECTIBLE
    credited_book = Book.BAD_DEBT if is_uncollectible else Book.RECEIVABLE
    balance = await invoice_book_balance(session, invoice.account_id, invoice.id, credited_book)
    settled = min(max(0, balance), payment.minor)
    surplus = payment.minor - settled
    postings = [
        Posting(Book.CASH, payment.minor, invoice.id),
        Posting(credited_book, -settled, invoice.id),
    ]
    if surplus:
        grant = await _create_surplus_grant(session, clock, invoice, payment, surplus)
        postings.append(Posting(Book.WALLET, -surplus, grant_id=grant.id))
    await post_transaction(
        session,
        clock,
        invoice.account_id,
        TransactionKind.PAYMENT,
        f"payment:{payment.method}:{payment.reference}",
        invoice.currency,
        postings,
    )


async def _create_surplus_grant(
    session: AsyncSession, clock: Clock, invoice: Invoice, payment: IncomingPayment, minor: int
) -> WalletGrant:
    """Insert a wallet grant for the overpaid minor units of a payment; posts nothing."""
    grant = WalletGrant(
        id=ids.new_id(),
        account_id=invoice.account_id,
        business_key=f"payment:{payment.method}:{payment.reference}",
        paid=True,
        minor=minor,
        priority=50,
        created_at=clock.now(),
    )
    session.add(grant)
    await session.flush()
    return grant
