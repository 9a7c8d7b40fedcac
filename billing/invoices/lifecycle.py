"""Invoices: from a draft, which still changes, to a final document, which never does.

    draft -> open -> paid | void | uncollectible

Owns storing, numbering and the states, with their ledger transactions.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.parties import parties_now
from billing.accounts.profiles import Collection, currency_of
from billing.audit_events import Facts, MoneyEvent, tell
from billing.invoices.calculation import amounts_of
from billing.ledger.ledger import Book, Kind, Posting, owed, post
from billing.ledger.wallets import pay_from_wallet
from billing.outbox import put
from billing.rating.statement import Line, LineKind
from billing.tables import (
    BillingProfile,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    LedgerPosting,
    NumberSeries,
    OutboxItem,
)
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "inv"
FEES = (LineKind.FIXED_FEE, LineKind.UNUSED_FEE)
NOT_USAGE = (*FEES, LineKind.OUTCOME)


class InvoiceNotFound(AppError):
    """The account has no such invoice."""

    status = 404
    type = "invalid_request_error"
    code = "invoice_not_found"


class InvoiceStateWrong(AppError):
    """The invoice's state does not allow this."""

    status = 409
    type = "invalid_request_error"
    code = "invoice_state_wrong"


async def draft_of_period(
    session: AsyncSession, account_id: UUID, period_id: UUID
) -> Invoice | None:
    """The draft of a period, where there is one. The profile is locked."""
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id, col(Invoice.period_id) == period_id
    )
    return (await session.scalars(query)).one_or_none()


async def new_draft(
    session: AsyncSession,
    profile: BillingProfile,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    period_id: UUID | None = None,
) -> Invoice:
    """An invoice of nothing yet, which is written with its lines. The profile is locked."""
    invoice = Invoice(
        id=ids.new_id(),
        account_id=profile.account_id,
        legal_entity_id=profile.legal_entity_id,
        period_id=period_id,
        status=InvoiceStatus.DRAFT.value,
        currency=await currency_of(session, profile.account_id),
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


async def lines_of(session: AsyncSession, account_id: UUID, invoice_id: UUID) -> list[InvoiceLine]:
    query = (
        select(InvoiceLine)
        .where(col(InvoiceLine.account_id) == account_id, col(InvoiceLine.invoice_id) == invoice_id)
        .order_by(col(InvoiceLine.position))
    )
    return list((await session.scalars(query)).all())


async def put_lines(
    session: AsyncSession, profile: BillingProfile, invoice: Invoice, lines: Sequence[Line]
) -> None:
    """Write a draft's lines, in place of what it had, and what they come to."""
    amounts = await amounts_of(session, profile, lines)
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
    session.add_all(_row(invoice, position, line) for position, line in enumerate(lines))
    await session.flush()


async def finalise(
    session: AsyncSession, clock: Clock, profile: BillingProfile, invoice: Invoice
) -> Invoice:
    """Give a draft its number and the parties of its day, book it, and pay it from the wallet as
    far as that goes.

    The profile is locked. The number series' row stays locked until the commit, so that a number
    that was given is never lost.
    """
    now = clock.now()
    _require(invoice, InvoiceStatus.DRAFT)
    invoice.number = await next_number(session, invoice.legal_entity_id, "invoice")
    invoice.status = InvoiceStatus.OPEN.value
    # A charge falls due at once; who is to pay gets the days that were agreed.
    days = 0 if profile.collection == Collection.STRIPE_CHARGE else profile.net_days
    invoice.finalised_at, invoice.due_at = now, now + timedelta(days=days)
    said = parties_now(invoice.account_id, invoice.legal_entity_id).scalar_subquery()
    amount: Facts = {"minor": invoice.total, "currency": invoice.currency}
    about: Facts = {"invoice_id": invoice.id, "number": invoice.number}
    tell(session, MoneyEvent.INVOICE_FINALISED, invoice.account_id, **about, **amount)
    invoice.parties = said  # type: ignore[assignment]  # worked out by the update itself
    await session.flush()
    left = invoice.total
    if invoice.total:
        postings = [
            Posting(Book.RECEIVABLE, invoice.total, invoice.id),
            Posting(Book.REVENUE_USAGE, -invoice.usage, invoice.id),
            Posting(Book.REVENUE_FEES, invoice.usage - invoice.net, invoice.id),
            Posting(Book.TAX, -invoice.tax, invoice.id),
        ]
        place = (invoice.account_id, Kind.INVOICE, f"invoice:{invoice.id}", invoice.currency)
        await post(session, clock, *place, postings)
        left -= await pay_from_wallet(session, clock, profile.account_id, invoice.id, left)
    if not left:
        await _settle(session, clock, invoice)
    elif profile.collection != Collection.MANUAL:
        await _outside(session, clock, invoice, "stripe_invoice")
    return invoice


async def settle_if_paid(session: AsyncSession, clock: Clock, invoice: Invoice) -> bool:
    """Mark an open invoice as paid where nothing of it is owed any more."""
    left = await owed(session, invoice.account_id, invoice.id)
    if invoice.status == InvoiceStatus.OPEN and left <= 0:
        await _settle(session, clock, invoice)
    return invoice.status == InvoiceStatus.PAID


async def void(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    """Take an open invoice back: all that was booked for it is booked the other way round.

    Raises InvoiceStateWrong where money came in for it; a credit note is right then. The profile
    is locked.
    """
    _require(invoice, InvoiceStatus.OPEN)
    query = (
        select(LedgerPosting.book, LedgerPosting.grant_id, func.sum(LedgerPosting.minor))
        .where(
            col(LedgerPosting.account_id) == invoice.account_id,
            col(LedgerPosting.invoice_id) == invoice.id,
        )
        .group_by(col(LedgerPosting.book), col(LedgerPosting.grant_id))
    )
    booked = (await session.execute(query)).all()
    if any(book == Book.CASH.value and total for book, _, total in booked):
        raise InvoiceStateWrong("Money came in for this invoice; write a credit note instead.")
    await post(
        session,
        clock,
        invoice.account_id,
        Kind.VOID,
        f"invoice:{invoice.id}:void",
        invoice.currency,
        [Posting(Book(book), -int(total), invoice.id, grant) for book, grant, total in booked],
    )
    invoice.status, invoice.settled_at = InvoiceStatus.VOID.value, clock.now()
    await session.flush()
    await end_collection(session, clock, invoice, "stripe_void")


async def give_up(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    """Mark an open invoice as uncollectible: what is owed becomes a loss. The profile is locked.

    Raises InvoiceStateWrong.
    """
    _require(invoice, InvoiceStatus.OPEN)
    left = await owed(session, invoice.account_id, invoice.id)
    await post(
        session,
        clock,
        invoice.account_id,
        Kind.UNCOLLECTIBLE,
        f"invoice:{invoice.id}:uncollectible",
        invoice.currency,
        [Posting(Book.BAD_DEBT, left, invoice.id), Posting(Book.RECEIVABLE, -left, invoice.id)],
    )
    invoice.status, invoice.settled_at = InvoiceStatus.UNCOLLECTIBLE.value, clock.now()
    await session.flush()
    await end_collection(session, clock, invoice, "stripe_give_up")


async def end_collection(
    session: AsyncSession, clock: Clock, invoice: Invoice, action: str
) -> None:
    """Let Stripe know, where it was told to collect the invoice."""
    if await _collected_outside(session, invoice):
        await _outside(session, clock, invoice, action)


async def credit_outside(
    session: AsyncSession, clock: Clock, invoice: Invoice, note_id: UUID
) -> None:
    """Let Stripe know of a credit note, where it was told to collect the invoice."""
    if await _collected_outside(session, invoice):
        await _outside(session, clock, invoice, "stripe_credit", note_id.hex)


async def part_paid_outside(
    session: AsyncSession, clock: Clock, invoice: Invoice, payment_id: UUID, minor: int
) -> None:
    """Let Stripe know that it is to collect so much less, where it was told to collect any."""
    if await _collected_outside(session, invoice):
        subject = f"invoice:{invoice.id}"
        key = f"{subject}:stripe_part_paid:{payment_id}"
        payload = {"invoice": invoice.id.hex, "payment": payment_id.hex, "minor": minor}
        place = (session, clock, invoice.account_id, "stripe_part_paid", subject)
        await put(*place, key, payload)


async def _collected_outside(session: AsyncSession, invoice: Invoice) -> bool:
    query = select(OutboxItem.id).where(
        col(OutboxItem.account_id) == invoice.account_id,
        col(OutboxItem.business_key) == f"invoice:{invoice.id}:stripe_invoice",
    )
    return (await session.execute(query)).first() is not None


async def _outside(
    session: AsyncSession, clock: Clock, invoice: Invoice, action: str, note: str = ""
) -> None:
    subject = f"invoice:{invoice.id}"
    payload = {"invoice": invoice.id.hex, "credit_note": note}
    key = f"{subject}:{action}" + (f":{note}" if note else "")
    await put(session, clock, invoice.account_id, action, subject, key, payload)


async def get_invoice(session: AsyncSession, account_id: UUID, invoice_id: UUID) -> Invoice:
    """One of the account's invoices. Raises InvoiceNotFound."""
    query = select(Invoice).where(
        col(Invoice.account_id) == account_id, col(Invoice.id) == invoice_id
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return found


async def next_number(session: AsyncSession, legal_entity_id: UUID, document: str) -> int:
    """The next number of an entity's series, without gaps: a rolled back one is given again."""
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


async def _settle(session: AsyncSession, clock: Clock, invoice: Invoice) -> None:
    invoice.status, invoice.settled_at = InvoiceStatus.PAID.value, clock.now()
    await session.flush()


def _require(invoice: Invoice, status: InvoiceStatus) -> None:
    if invoice.status != status:
        raise InvoiceStateWrong(f"The invoice is {invoice.status}, not {status}.")


def _row(invoice: Invoice, position: int, line: Line) -> InvoiceLine:
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
        ppm=line.ppm,
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        charge_id=line.charge_id,
    )
