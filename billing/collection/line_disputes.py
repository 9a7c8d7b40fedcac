"""Line disputes: a customer says that a line of an invoice is wrong, and the operator answers.

    disputed -> credited (a credit note, with the answer as its reason) | refused (with the answer)

A final invoice's line can be disputed once, within some days. The invoice stays due meanwhile: what
was wrong comes back by the credit note. Outcomes are disputed by their settlement
(billing/outcomes/settlement/disputes.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile, read_profile
from billing.invoices.credit_notes import Credit, write_credit_note
from billing.invoices.lifecycle import get_invoice, lines_of
from billing.invoices.numbering import invoice_number
from billing.notifications.messages import Notice, tell
from billing.rating.statement import LineKind
from billing.tables import Invoice, InvoiceStatus, LegalEntity, LineDispute
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "ldsp"
DISPUTABLE_FOR = timedelta(days=90)  # from the day on which the invoice became final
_MOST_TEXT = 4000


class LineDisputeNotFound(AppError):
    """The account has no such dispute of a line."""

    status = 404
    type = "invalid_request_error"
    code = "line_dispute_not_found"


class LineDisputeInvalid(AppError):
    """No line that can be disputed, or no reason or answer."""

    status = 400
    type = "invalid_request_error"
    code = "line_dispute_invalid"


class LineDisputeStateWrong(AppError):
    """The line was disputed already, the time for it is over, or it is answered."""

    status = 409
    type = "invalid_request_error"
    code = "line_dispute_state_wrong"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the operator says to a dispute, and who; credited are `minor` units with tax, or none
    where it is refused. `refund`: what was paid goes back rather than into the wallet."""

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
    """Say what is wrong with a line, by its number from 1. Raises InvoiceNotFound,
    LineDisputeInvalid, LineDisputeStateWrong."""
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    if number not in await disputable_lines(session, clock.now(), invoice):
        await _refuse(session, clock.now(), invoice, number)
    _require_text(reason, "reason")
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
    return dispute


async def answer_line_dispute(
    session: AsyncSession, clock: Clock, account_id: UUID, dispute_id: UUID, answer: Answer
) -> LineDispute:
    """Credit what was wrong, or refuse it; the customer is told. For operators.

    Raises LineDisputeNotFound, LineDisputeInvalid, LineDisputeStateWrong, and what a credit note
    does.
    """
    await lock_profile(session, account_id)
    dispute = await get_line_dispute(session, account_id, dispute_id)
    if dispute.answered_at is not None:
        raise LineDisputeStateWrong("The dispute is answered.")
    _require_text(answer.text, "answer")
    if answer.minor:
        credit = Credit(answer.minor, answer.text, answer.refund)
        key = f"line_dispute:{dispute.id.hex}"
        place = account_id, dispute.invoice_id, key
        dispute.credit_note_id = (await write_credit_note(session, clock, *place, credit)).id
    dispute.answer, dispute.answered_by = answer.text.strip(), answer.by[:200]
    dispute.answered_at = clock.now()
    await session.flush()
    await _tell(session, clock, dispute)
    return dispute


async def line_disputes_of(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> Sequence[LineDispute]:
    """What was said against an invoice's lines, the first line first."""
    query = select(LineDispute).where(
        col(LineDispute.account_id) == account_id, col(LineDispute.invoice_id) == invoice_id
    )
    return (await session.scalars(query.order_by(col(LineDispute.line)))).all()


async def open_line_disputes(
    session: AsyncSession, account_id: UUID | None = None
) -> Sequence[LineDispute]:
    """Those that wait for the operator's answer, the oldest first; of an account, or for operators
    of all accounts (account_id)."""
    query = select(LineDispute).where(col(LineDispute.answered_at).is_(None))
    if account_id is not None:
        query = query.where(col(LineDispute.account_id) == account_id)
    return (await session.scalars(query.order_by(col(LineDispute.id)))).all()


async def get_line_dispute(
    session: AsyncSession, account_id: UUID, dispute_id: UUID
) -> LineDispute:
    """One of the account's. Raises LineDisputeNotFound."""
    query = select(LineDispute).where(
        col(LineDispute.account_id) == account_id, col(LineDispute.id) == dispute_id
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise LineDisputeNotFound("The account has no such dispute of a line.", param="dispute")
    return found


async def disputable_lines(session: AsyncSession, now: datetime, invoice: Invoice) -> set[int]:
    """The numbers of the lines of the account's invoice that can be disputed now."""
    if not _is_in_time(invoice, now):
        return set()
    place = invoice.account_id, invoice.id
    rows = await lines_of(session, *place)
    before = {one.line for one in await line_disputes_of(session, *place)}
    numbered = enumerate((row.kind for row in rows), 1)
    return {number for number, kind in numbered if kind != LineKind.OUTCOME} - before


def line_dispute_status(dispute: LineDispute) -> str:
    """`open`, `credited`, `refused`."""
    if dispute.answered_at is None:
        return "open"
    return "refused" if dispute.credit_note_id is None else "credited"


def _is_in_time(invoice: Invoice, now: datetime) -> bool:
    final = invoice.status in (InvoiceStatus.OPEN, InvoiceStatus.PAID)
    since = invoice.finalised_at
    return final and since is not None and now < since + DISPUTABLE_FOR


async def _refuse(session: AsyncSession, now: datetime, invoice: Invoice, number: int) -> NoReturn:
    """Why a line cannot be disputed."""
    if not _is_in_time(invoice, now):
        raise LineDisputeStateWrong(
            f"Lines of a final invoice can be disputed for {DISPUTABLE_FOR.days} days."
        )
    rows = await lines_of(session, invoice.account_id, invoice.id)
    if not 0 < number <= len(rows):
        raise LineDisputeInvalid("The invoice has no such line.", param="line")
    if rows[number - 1].kind == LineKind.OUTCOME:
        raise LineDisputeInvalid("An outcome is disputed by its settlement.", param="line")
    raise LineDisputeStateWrong("The line was disputed already.")


async def _tell(session: AsyncSession, clock: Clock, dispute: LineDispute) -> None:
    invoice = await get_invoice(session, dispute.account_id, dispute.invoice_id)
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    values = {
        "number": invoice_number(entity.code, invoice.number or 0),
        "line": str(dispute.line),
        "answer": dispute.answer or "",
    }
    profile = await read_profile(session, dispute.account_id)
    notice = Notice(f"line_{line_dispute_status(dispute)}", values)
    await tell(session, clock, profile, f"line_dispute:{dispute.id}", notice)


def _require_text(said: str, field: str) -> None:
    if not 0 < len(said.strip()) <= _MOST_TEXT:
        raise LineDisputeInvalid(f"The {field} is 1 to {_MOST_TEXT} characters.", param=field)
