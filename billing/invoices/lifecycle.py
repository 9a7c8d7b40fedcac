"""Invoice lifecycle: storage, numbering and status changes with their ledger transactions.

    draft -> open -> paid | void | uncollectible

A draft changes with usage; a finalized invoice's lines, number and parties never change.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.parties import select_current_parties
from billing.accounts.profiles import get_account_currency, profile_collection
from billing.audit_events import EventFields, MoneyEvent, log_event
from billing.invoices.calculation import compute_amounts
from billing.invoices.collection_items import (
    CollectionAction,
    enqueue_change,
    enqueue_collection,
)
from billing.invoices.instalments import move_due_date
from billing.invoices.invoice_events import emit_finalized, emit_paid
from billing.invoices.payment_terms import store_payment_terms
from billing.ledger.ledger import (
    Book,
    Posting,
    TransactionKind,
    outstanding_amount,
    post_transaction,
)
from billing.ledger.wallets import pay_from_wallet
from billing.metering.packs import (
    PurchaseState,
    activate_paid_purchase,
    end_purchase,
    find_invoice_purchase,
)
from billing.rating.statement import LineKind, StatementLine
from billing.tables import (
    BillingProfile,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    LedgerPosting,
    NumberSeries,
)
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

INVOICE_ID_PREFIX = "inv"
FEE_KINDS = (
    LineKind.FIXED_FEE,
    LineKind.UNUSED_FEE,
    LineKind.ADD_ON,
    LineKind.UNUSED_ADD_ON,
)
NON_USAGE_KINDS = (*FEE_KINDS, LineKind.OUTCOME, LineKind.LATE_FEE, LineKind.PACK)


class InvoiceNotFound(AppError):
    """The account has no invoice with this id."""

    status = 404
    type = "invalid_request_error"
    code = "invoice_not_found"


class InvalidInvoiceState(AppError):
    """The invoice's status does not allow the operation."""

    status = 409
    type = "invalid_request_error"
    code = "invoice_state_wrong"


async def find_period_invoice(
    session: AsyncSession, account_id: UUID, period_id: UUID
) -> Invoice | None:
    """Return a period's invoice in any status, or None; the billing profile must be locked."""
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id, col(Invoice.period_id) == period_id
    )
    return (await session.scalars(query)).one_or_none()


async def create_draft(
    session: AsyncSession,
    profile: BillingProfile,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    period_id: UUID | None = None,
) -> Invoice:
    """Create a draft without lines in the session. The billing profile must be locked."""
    invoice = Invoice(
        id=ids.new_id(),
        account_id=profile.account_id,
        legal_entity_id=profile.legal_entity_id,
        period_id=period_id,
        status=InvoiceStatus.DRAFT.value,
        currency=await get_account_currency(session, profile.account_id),
        starts_at=starts_at,
        ends_at=ends_at,
        tax_treatment=profile.tax_treatment,
        tax_ppm=profile.tax_ppm,
        net=0,
        tax=0,
        total=0,
        usage=0,
        created_at=now,
    )
    session.add(invoice)
    return invoice


async def list_invoice_lines(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> list[InvoiceLine]:
    """List the lines of an invoice by position."""
    query = (
        select(InvoiceLine)
        .where(col(InvoiceLine.account_id) == account_id, col(InvoiceLine.invoice_id) == invoice_id)
        .order_by(col(InvoiceLine.position))
    )
    return list((await session.scalars(query)).all())


async def replace_draft_lines(
    session: AsyncSession, profile: BillingProfile, invoice: Invoice, lines: Sequence[StatementLine]
) -> None:
    """Replace the lines of a draft and update its amounts."""
    amounts = await compute_amounts(session, profile, lines)
    invoice.net, invoice.tax = amounts.taxed.net, amounts.taxed.tax
    invoice.total, invoice.usage = amounts.taxed.total, amounts.usage
    invoice.tax_treatment, invoice.tax_ppm = profile.tax_treatment, profile.tax_ppm
    if invoice not in session.new:
        await session.execute(
            delete(InvoiceLine).where(
                col(InvoiceLine.account_id) == invoice.account_id,
                col(InvoiceLine.invoice_id) == invoice.id,
            )
        )
    session.add_all(_line_row(invoice, position, line) for position, line in enumerate(lines))
    await session.flush()


async def finalize_invoice(
    session: AsyncSession,
    clock: Clock,
    profile: BillingProfile,
    invoice: Invoice,
    *,
    fee_book: Book = Book.REVENUE_FEES,
    use_wallet: bool = True,
) -> Invoice:
    """Finalize a draft: assign its number and parties, post it, and pay it from the wallet.

    With `use_wallet` False the wallet stays as it is. What is not usage is posted to `fee_book`. A
    collector collects the rest unless collection is manual. The profile must be locked. The number
    series' row stays locked until the commit, so that numbers have no gaps.
    """
    now = clock.now()
    _require_status(invoice, InvoiceStatus.DRAFT)
    invoice.number = await next_document_number(session, invoice.legal_entity_id, "invoice")
    invoice.status = InvoiceStatus.OPEN.value
    # A charged invoice is due at once; a sent invoice is due after the agreed number of days.
    collection = profile_collection(profile)
    days = 0 if collection.is_charged else profile.net_days
    invoice.finalised_at, invoice.due_at = now, now + timedelta(days=days)
    parties = select_current_parties(invoice.account_id, invoice.legal_entity_id).scalar_subquery()
    amount: EventFields = {"minor": invoice.total, "currency": invoice.currency}
    identity: EventFields = {"invoice_id": invoice.id, "number": invoice.number}
    log_event(session, MoneyEvent.INVOICE_FINALISED, invoice.account_id, **identity, **amount)
    invoice.parties = parties  # type: ignore[assignment]  # a subquery of the UPDATE
    await session.flush()
    await store_payment_terms(session, invoice, now, may_split=collection.is_manual)
    await emit_finalized(session, clock, profile, invoice)
    outstanding = invoice.total
    if outstanding:
        await _post_invoice(session, clock, invoice, fee_book)
    if outstanding and use_wallet:
        account_id = invoice.account_id
        outstanding -= await pay_from_wallet(session, clock, account_id, invoice.id, outstanding)
    if not outstanding:
        await _mark_paid(session, clock, invoice)
    elif collection.is_manual:
        await move_due_date(session, invoice, outstanding)
    else:
        await enqueue_collection(session, clock, invoice, collection.collector)
    return invoice


async def _post_invoice(
    session: AsyncSession, clock: Clock, invoice: Invoice, fee_book: Book
) -> None:
    """Post a final invoice to the ledger; what is not usage to `fee_book`."""
    postings = [
        Posting(Book.RECEIVABLE, invoice.total, invoice.id),
        Posting(Book.REVENUE_USAGE, -invoice.usage, invoice.id),
        Posting(fee_book, invoice.usage - invoice.net, invoice.id),
        Posting(Book.TAX, -invoice.tax, invoice.id),
    ]
    account_id, key = invoice.account_id, f"invoice:{invoice.id}"
    kind, currency = TransactionKind.INVOICE, invoice.currency
    await post_transaction(session, clock, account_id, kind, key, currency, postings)


async def mark_paid_if_settled(session: AsyncSession, clock: Clock, invoice: Invoice) -> bool:
    """Mark an open invoice as paid if nothing is outstanding; return whether it is paid."""
    outstanding = await outstanding_amount(session, invoice.account_id, invoice.id)
    if invoice.status == InvoiceStatus.OPEN and outstanding <= 0:
        await _mark_paid(session, clock, invoice)
    elif invoice.status == InvoiceStatus.OPEN:
        await move_due_date(session, invoice, outstanding)
    return invoice.status == InvoiceStatus.PAID


async def mark_void(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    """Void an open invoice: reverse all its ledger postings. The billing profile must be locked.

    Raises InvalidInvoiceState if it is not open or if money was received for it; such an invoice
    is corrected by a credit note instead.
    """
    _require_status(invoice, InvoiceStatus.OPEN)
    query = (
        select(LedgerPosting.book, LedgerPosting.grant_id, func.sum(LedgerPosting.minor))
        .where(
            col(LedgerPosting.account_id) == invoice.account_id,
            col(LedgerPosting.invoice_id) == invoice.id,
        )
        .group_by(col(LedgerPosting.book), col(LedgerPosting.grant_id))
    )
    totals = (await session.execute(query)).all()
    if any(book == Book.CASH.value and total for book, _, total in totals):
        raise InvalidInvoiceState(
            "A payment was received for this invoice. Create a credit note instead."
        )
    await post_transaction(
        session,
        clock,
        invoice.account_id,
        TransactionKind.VOID,
        f"invoice:{invoice.id}:void",
        invoice.currency,
        [Posting(Book(book), -int(total), invoice.id, grant) for book, grant, total in totals],
    )
    invoice.status, invoice.settled_at = InvoiceStatus.VOID.value, clock.now()
    await session.flush()
    purchase = await find_invoice_purchase(session, invoice.account_id, invoice.id)
    if purchase is not None:
        await end_purchase(session, purchase, PurchaseState.CANCELED, clock.now())
    await enqueue_change(session, clock, invoice, CollectionAction.VOID)


async def mark_uncollectible(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    """Mark an open invoice as uncollectible: post its receivable as bad debt.

    The profile must be locked. Raises InvalidInvoiceState if the invoice is not open.
    """
    _require_status(invoice, InvoiceStatus.OPEN)
    outstanding = await outstanding_amount(session, invoice.account_id, invoice.id)
    await post_transaction(
        session,
        clock,
        invoice.account_id,
        TransactionKind.UNCOLLECTIBLE,
        f"invoice:{invoice.id}:uncollectible",
        invoice.currency,
        [
            Posting(Book.BAD_DEBT, outstanding, invoice.id),
            Posting(Book.RECEIVABLE, -outstanding, invoice.id),
        ],
    )
    invoice.status, invoice.settled_at = InvoiceStatus.UNCOLLECTIBLE.value, clock.now()
    await session.flush()
    await enqueue_change(session, clock, invoice, CollectionAction.WRITE_OFF)


async def get_invoice(session: AsyncSession, account_id: UUID, invoice_id: UUID) -> Invoice:
    """Return one of the account's invoices. Raises InvoiceNotFound."""
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id, col(Invoice.id) == invoice_id
    )
    invoice = (await session.scalars(query)).one_or_none()
    if invoice is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return invoice


async def next_document_number(session: AsyncSession, legal_entity_id: UUID, document: str) -> int:
    """Take the next number of a legal entity's series; a rolled-back number is used again."""
    statement = (
        insert(NumberSeries)
        .values(legal_entity_id=legal_entity_id, document=document, last=1)
        .on_conflict_do_update(
            index_elements=["legal_entity_id", "document"],
            set_={"last": col(NumberSeries.last) + 1},
        )
        .returning(col(NumberSeries.last))
    )
    return int((await session.execute(statement)).scalar_one())


async def _mark_paid(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    """Set an invoice to paid, settled now; a pack that it bills becomes usable.

    Posts nothing to the ledger.
    """
    invoice.status, invoice.settled_at = InvoiceStatus.PAID.value, clock.now()
    await session.flush()
    await activate_paid_purchase(session, invoice.account_id, invoice.id, clock.now())
    await emit_paid(session, clock, invoice)


def _require_status(invoice: Invoice, status: InvoiceStatus) -> None:
    """Raise InvalidInvoiceState unless the invoice has this status."""
    if invoice.status != status:
        raise InvalidInvoiceState(
            f"The invoice is {invoice.status}; this action needs status {status}."
        )


def _line_row(invoice: Invoice, position: int, line: StatementLine) -> InvoiceLine:
    """Build the row that stores a statement line at a position of an invoice."""
    return InvoiceLine(
        invoice_id=invoice.id,
        position=position,
        account_id=invoice.account_id,
        kind=line.kind.value,
        minor=line.minor,
        plan_version_id=line.version_id,
        model=line.model,
        meter=line.meter,
        quantity=line.quantity,
        included=line.included,
        packed=line.packed or None,
        ppm=line.ppm,
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        charge_id=line.charge_id,
        add_on=line.add_on,
    )
