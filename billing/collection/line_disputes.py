"""Line disputes: a customer disputes a line of a final invoice, and the operator answers.

    open -> credited (a credit note with the answer as its reason) | refused (with the answer)

Each line can be disputed once, within `DISPUTE_WINDOW`. The invoice stays due meanwhile; a wrong
amount is corrected by a credit note. Lines of outcomes cannot be disputed here but by their
settlement (billing/outcomes/settlement/disputes.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile, lock_profile
from billing.collection.line_dispute_events import emit_dispute_answered, emit_dispute_opened
from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note
from billing.invoices.lifecycle import get_invoice, list_invoice_lines
from billing.invoices.numbering import format_invoice_number
from billing.notifications.messages import EmailNotice, enqueue_email
from billing.rating.statement import LineKind
from billing.tables import Invoice, InvoiceStatus, LegalEntity, LineDispute
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

LINE_DISPUTE_ID_PREFIX = "ldsp"
DISPUTE_WINDOW = timedelta(days=90)  # after finalization of the invoice
_MAX_TEXT_LENGTH = 4000


class LineDisputeNotFound(AppError):
    """The account has no line dispute with this id."""

    status = 404
    type = "invalid_request_error"
    code = "line_dispute_not_found"


class LineDisputeInvalid(AppError):
    """The line cannot be disputed, or the reason or answer is empty or too long."""

    status = 400
    type = "invalid_request_error"
    code = "line_dispute_invalid"


class InvalidLineDisputeState(AppError):
    """The line was disputed already, the dispute window is over, or the dispute is answered."""

    status = 409
    type = "invalid_request_error"
    code = "line_dispute_state_wrong"


@dataclass(frozen=True, slots=True)
class DisputeAnswer:
    """The operator's answer to a dispute.

    `minor` is the amount to credit, in minor units with tax; 0 refuses the dispute. With `refund`,
    a paid amount is refunded to the customer instead of added to the wallet.
    """

    by: str
    text: str
    minor: int = 0
    refund: bool = False


async def dispute_line(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    number: int,
    by: str,
    reason: str,
) -> LineDispute:
    """Open a dispute of the invoice's line `number` (from 1); `by` names who opens it.

    Raises InvoiceNotFound, LineDisputeInvalid, InvalidLineDisputeState.
    """
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    if number not in await find_disputable_lines(session, clock.now(), invoice):
        await _raise_not_disputable(session, clock.now(), invoice, number)
    _validate_text(reason, "reason")
    dispute = LineDispute(
        id=ids.new_id(),
        account_id=account_id,
        invoice_id=invoice_id,
        line=number,
        opened_at=clock.now(),
        opened_by=by[:200],
        reason=reason.strip(),
    )
    session.add(dispute)
    await session.flush()
    await emit_dispute_opened(session, clock, invoice, dispute)
    return dispute


async def answer_line_dispute(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, answer: DisputeAnswer
) -> LineDispute:
    """Credit or refuse a disputed line and notify the customer. For operators only.

    Raises LineDisputeNotFound, LineDisputeInvalid, InvalidLineDisputeState, and the errors of
    `create_credit_note`.
    """
    await lock_profile(session, account_id)
    dispute = await get_line_dispute(session, account_id, dispute_id)
    if dispute.answered_at is not None:
        raise InvalidLineDisputeState("The dispute has already been answered.")
    _validate_text(answer.text, "answer")
    if answer.minor:
        note = await create_credit_note(
            session,
            clock,
            account_id,
            dispute.invoice_id,
            f"line_dispute:{dispute.id.hex}",
            CreditNoteRequest(answer.minor, answer.text, answer.refund),
        )
        dispute.credit_note_id = note.id
    dispute.answer, dispute.answered_by = answer.text.strip(), answer.by[:200]
    dispute.answered_at = clock.now()
    await session.flush()
    await _notify_customer(session, clock, dispute)
    return dispute


async def list_line_disputes(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> Sequence[LineDispute]:
    """List the line disputes of an invoice, by line number."""
    query = select(LineDispute).where(
        col(LineDispute.account_id) == account_id, col(LineDispute.invoice_id) == invoice_id
    )
    return (await session.scalars(query.order_by(col(LineDispute.line)))).all()


async def list_open_line_disputes(
    session: AsyncSession, account_id: UUID | None = None
) -> Sequence[LineDispute]:
    """List unanswered line disputes, oldest first.

    `account_id` None lists those of all accounts, for operators only.
    """
    query = select(LineDispute).where(col(LineDispute.answered_at).is_(None))
    if account_id is not None:
        query = query.where(col(LineDispute.account_id) == account_id)
    return (await session.scalars(query.order_by(col(LineDispute.id)))).all()


async def get_line_dispute(
    session: AsyncSession, account_id: UUID, dispute_id: UUID
) -> LineDispute:
    """Return one of the account's line disputes. Raises LineDisputeNotFound."""
    query = select(LineDispute).where(
        col(LineDispute.account_id) == account_id, col(LineDispute.id) == dispute_id
    )
    dispute = (await session.scalars(query)).one_or_none()
    if dispute is None:
        raise LineDisputeNotFound("The account has no such line dispute.", param="dispute")
    return dispute


async def find_disputable_lines(session: AsyncSession, now: datetime, invoice: Invoice) -> set[int]:
    """Return the numbers of the invoice's lines that can be disputed now."""
    if not _is_within_dispute_window(invoice, now):
        return set()
    rows = await list_invoice_lines(session, invoice.account_id, invoice.id)
    disputes = await list_line_disputes(session, invoice.account_id, invoice.id)
    numbered = enumerate((row.kind for row in rows), 1)
    disputable = {number for number, kind in numbered if kind != LineKind.OUTCOME}
    return disputable - {dispute.line for dispute in disputes}


def line_dispute_status(dispute: LineDispute) -> str:
    """Return the status of a dispute: `open`, `credited` or `refused`."""
    if dispute.answered_at is None:
        return "open"
    return "refused" if dispute.credit_note_id is None else "credited"


def _is_within_dispute_window(invoice: Invoice, now: datetime) -> bool:
    """Return whether a final invoice is open or paid and the dispute deadline has not passed."""
    is_final = invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.PAID)
    finalized_at = invoice.finalised_at
    return is_final and finalized_at is not None and now < finalized_at + DISPUTE_WINDOW


async def _raise_not_disputable(
    session: AsyncSession, now: datetime, invoice: Invoice, number: int
) -> NoReturn:
    """Raise the error that explains why a line cannot be disputed."""
    if not _is_within_dispute_window(invoice, now):
        raise InvalidLineDisputeState(
            f"Lines of a finalised invoice can be disputed for {DISPUTE_WINDOW.days} "
            "days. This period is over."
        )
    rows = await list_invoice_lines(session, invoice.account_id, invoice.id)
    if not 0 < number <= len(rows):
        raise LineDisputeInvalid("The invoice has no such line.", param="line")
    if rows[number - 1].kind == LineKind.OUTCOME:
        raise LineDisputeInvalid("Dispute an outcome through its settlement.", param="line")
    raise InvalidLineDisputeState("The line has already been disputed.")


async def _notify_customer(session: AsyncSession, clock: Clock, dispute: LineDispute) -> None:
    """Enqueue the e-mail to the customer with the answer to a line dispute."""
    invoice = await get_invoice(session, dispute.account_id, dispute.invoice_id)
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    values = {
        "number": format_invoice_number(entity.code, invoice.number or 0),
        "line": str(dispute.line),
        "answer": dispute.answer or "",
    }
    profile = await get_profile(session, dispute.account_id)
    notice = EmailNotice(f"line_{line_dispute_status(dispute)}", values)
    await enqueue_email(session, clock, profile, f"line_dispute:{dispute.id}", notice)
    await emit_dispute_answered(
        session, clock, invoice, dispute, notice, line_dispute_status(dispute)
    )


def _validate_text(text: str, field: str) -> None:
    """Raise LineDisputeInvalid, naming `field`, if the text is blank or too long."""
    if not 0 < len(text.strip()) <= _MAX_TEXT_LENGTH:
        raise LineDisputeInvalid(
            f"The {field} must have 1 to {_MAX_TEXT_LENGTH} characters.", param=field
        )
