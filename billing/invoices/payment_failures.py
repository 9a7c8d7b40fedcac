"""Failed payments: declined charges, and payments that were taken back (chargebacks)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.lifecycle import InvalidInvoiceState, get_invoice
from billing.ledger.ledger import Book, Posting, TransactionKind, post_transaction
from billing.tables import Invoice, InvoiceStatus, Payment, PaymentFailure
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_DECLINED, _CHARGEBACK = "declined", "chargeback"


class PaymentNotFound(AppError):
    """The account has no payment with this reference."""

    status = 404
    type = "invalid_request_error"
    code = "payment_not_found"


async def record_declined_charge(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID, reference: str
) -> None:
    """Record that a charge of an invoice was declined, once per reference."""
    await _insert_failure(session, account_id, invoice_id, _DECLINED, reference, 0, clock.now())


async def record_chargeback(
    session: AsyncSession, clock: Clock, account_id: UUID, payment_reference: str
) -> Invoice:
    """Record that a payment was taken back, once for each payment; return its invoice.

    The amount is owed again. A paid invoice is open and due again now, so dunning begins anew; a
    surplus that went to the wallet stays there. Raises PaymentNotFound, InvalidInvoiceState.
    """
    await lock_profile(session, account_id)
    payment = await _find_payment(session, account_id, payment_reference)
    invoice = await get_invoice(session, account_id, payment.invoice_id)
    if invoice.status == InvoiceStatus.VOID:
        raise InvalidInvoiceState("The invoice is void, so its payment is in the wallet.")
    values = (account_id, invoice.id, _CHARGEBACK, str(payment.id), payment.minor, clock.now())
    if await _insert_failure(session, *values):
        await _reverse_payment(session, clock, invoice, payment)
    return invoice


async def _reverse_payment(
    session: AsyncSession, clock: Clock, invoice: Invoice, payment: Payment
) -> None:
    """Post the reversal of a payment, and open its invoice again unless it is written off."""
    now, key = clock.now(), f"chargeback:{payment.id}"
    session.add(
        Payment(
            id=ids.new_id(),
            account_id=invoice.account_id,
            invoice_id=invoice.id,
            method=payment.method,
            reference=key,
            minor=-payment.minor,
            received_at=now,
            recorded_at=now,
        )
    )
    is_uncollectible = invoice.status == InvoiceStatus.UNCOLLECTIBLE
    debited = Book.BAD_DEBT if is_uncollectible else Book.RECEIVABLE
    postings = [
        Posting(debited, payment.minor, invoice.id),
        Posting(Book.CASH, -payment.minor, invoice.id),
    ]
    account_id, kind = invoice.account_id, TransactionKind.CHARGEBACK
    await post_transaction(session, clock, account_id, kind, key, invoice.currency, postings)
    if invoice.status == InvoiceStatus.PAID:
        invoice.status, invoice.settled_at = InvoiceStatus.OPEN.value, None
        invoice.due_at, invoice.reminders = now, 0
    await session.flush()
    await refresh_account_credit(session, clock, account_id)


async def _find_payment(session: AsyncSession, account_id: UUID, reference: str) -> Payment:
    """Return the account's payment with a reference. Raises PaymentNotFound."""
    query = select(Payment).where(
        col(Payment.account_id) == account_id,
        col(Payment.reference) == reference,
        col(Payment.minor) > 0,
    )
    payment = (await session.scalars(query.order_by(col(Payment.id)).limit(1))).one_or_none()
    if payment is None:
        raise PaymentNotFound("The account has no payment with this reference.", param="payment")
    return payment


async def _insert_failure(
    session: AsyncSession,
    account_id: UUID,
    invoice_id: UUID,
    kind: str,
    reference: str,
    minor: int,
    occurred_at: datetime,
) -> bool:
    """Insert a failed payment; return whether it is new."""
    statement = insert(PaymentFailure).values(
        id=ids.new_id(),
        account_id=account_id,
        invoice_id=invoice_id,
        kind=kind,
        reference=reference,
        minor=minor,
        occurred_at=occurred_at,
    )
    inserted = await session.execute(
        statement.on_conflict_do_nothing(index_elements=["kind", "reference"]).returning(
            col(PaymentFailure.id)
        )
    )
    return inserted.first() is not None
