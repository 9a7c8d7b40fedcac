"""Confirms lines as payments of invoices, once each, and rejects proposals.

Payments are recorded by the same function as those of `maas invoices pay`. For operators: all
accounts (account_id).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.bank_statements.errors import InvalidBankLineState
from billing.bank_statements.lines import list_lines, list_proposals, lock_line, match_lines
from billing.bank_statements.matching import LineStatus, Part
from billing.invoices.payments import IncomingPayment, record_payment
from billing.ledger.ledger import outstanding_amount
from billing.tables import BankLine, BankProposal, Invoice
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_METHOD = "manual"


@dataclass(frozen=True, slots=True)
class ConfirmedLines:
    """The result of confirming all exact lines: how many were, and why others were not."""

    confirmed: Sequence[UUID]
    failed: Sequence[tuple[UUID, str]]


async def confirm_line(
    session: AsyncSession, clock: Clock, line_id: UUID, by: str, invoice: Invoice | None = None
) -> BankLine:
    """Record a line as the payment of its proposed invoices, or all of it for `invoice`.

    A line that is confirmed already stays as it is. Raises BankLineNotFound, InvalidBankLineState,
    and the errors of `record_payment`.
    """
    line = await lock_line(session, line_id)
    if line.status == LineStatus.CONFIRMED:
        return line
    parts = await _parts_to_pay(session, line, invoice)
    received_at = datetime.combine(line.booked_on, time(), UTC)
    for part in parts:
        reference = f"bank:{line.line_hash[:32]}:{part.invoice_id.hex}"
        payment = IncomingPayment(_METHOD, reference, part.minor, received_at)
        await record_payment(session, clock, part.account_id, part.invoice_id, payment)
    line.status, line.decided_by = LineStatus.CONFIRMED.value, by[:200]
    line.decided_at = clock.now()
    await session.flush()
    return line


async def confirm_exact_lines(database: Database, clock: Clock, by: str) -> ConfirmedLines:
    """Confirm all lines whose reference, amount and payer agree, each in its own transaction.

    An invoice whose due amount has changed since is left for a person.
    """
    async with database.transaction() as session:
        await match_lines(session)
        lines = await list_lines(session, LineStatus.PROPOSED)
        exact = [line.id for line in lines if not line.flags]
    confirmed: list[UUID] = []
    failed: list[tuple[UUID, str]] = []
    for line_id in exact:
        try:
            async with database.transaction() as session:
                await _require_unchanged(session, line_id)
                await confirm_line(session, clock, line_id, by)
        except AppError as error:
            structlog.get_logger().warning("a bank line was not confirmed", reason=error.message)
            failed.append((line_id, error.message))
        else:
            confirmed.append(line_id)
    return ConfirmedLines(confirmed, failed)


async def reject_line(session: AsyncSession, clock: Clock, line_id: UUID, by: str) -> BankLine:
    """Reject the proposals of a line; they are remembered and not made again.

    Raises BankLineNotFound, InvalidBankLineState.
    """
    line = await lock_line(session, line_id)
    proposals = await list_proposals(session, line_id)
    if line.status == LineStatus.CONFIRMED or not proposals:
        raise InvalidBankLineState(f"The line is {line.status} and has no proposal to reject.")
    for proposal in proposals:
        proposal.rejected = True
    line.decided_by, line.decided_at = by[:200], clock.now()
    await session.flush()
    await match_lines(session)
    return line


async def _parts_to_pay(
    session: AsyncSession, line: BankLine, invoice: Invoice | None
) -> list[Part]:
    """Return what a line pays: the proposals, or the invoice that a person chose.

    The choice replaces the proposals. Raises InvalidBankLineState.
    """
    proposals = await list_proposals(session, line.id)
    if invoice is None:
        if line.status != LineStatus.PROPOSED:
            raise InvalidBankLineState(f"The line is {line.status}: name the invoice that it pays.")
        return [Part(one.invoice_id, one.account_id, one.minor) for one in proposals]
    if invoice.currency != line.currency:
        raise InvalidBankLineState(f"The line is in {line.currency}, the invoice is not.")
    query = select(BankProposal).where(col(BankProposal.line_id) == line.id)
    for proposal in (await session.scalars(query)).all():  # of any account_id
        await session.delete(proposal)
    await session.flush()
    chosen = BankProposal(
        line_id=line.id, invoice_id=invoice.id, account_id=invoice.account_id, minor=line.minor
    )
    session.add(chosen)
    return [Part(invoice.id, invoice.account_id, line.minor)]


async def _require_unchanged(session: AsyncSession, line_id: UUID) -> None:
    """Raise InvalidBankLineState unless exactly the proposed amounts are still due."""
    await lock_line(session, line_id)
    for proposal in await list_proposals(session, line_id):
        await lock_profile(session, proposal.account_id)
        due = await outstanding_amount(session, proposal.account_id, proposal.invoice_id)
        if due != proposal.minor:
            raise InvalidBankLineState("The amount due on the invoice has changed.")
