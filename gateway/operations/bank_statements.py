"""Changes of bank lines by operators, each with its audit log entries."""

import asyncio
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.bank_statements.columns import load_columns
from billing.bank_statements.confirmation import (
    ConfirmedLines,
    confirm_exact_lines,
    confirm_line,
    reject_line,
)
from billing.bank_statements.csv_file import StatementDefaults
from billing.bank_statements.errors import BankLineNotFound
from billing.bank_statements.lines import (
    BANK_LINE_ID_PREFIX,
    ImportedStatement,
    import_statement,
    list_proposals,
    parse_statement,
)
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvoiceNotFound
from billing.money import minor_text
from billing.tables import BankLine, Invoice, LegalEntity
from gateway.identity.audit_log import Actor, record_audit_event
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


async def import_file(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    name: str,
    content: bytes,
    columns: str = "",
    defaults: StatementDefaults | None = None,
) -> ImportedStatement:
    """Read a statement, store its new lines and match them. Raises BankStatementInvalid."""
    names = load_columns(columns)
    # A statement of several megabytes would block the event loop.
    parsed = await asyncio.to_thread(
        parse_statement, content, names, defaults or StatementDefaults()
    )
    done = await import_statement(session, clock, parsed, name)
    details = {"file": name, "lines": done.new}
    await record_audit_event(session, clock, actor, None, "bank.imported", "", details)
    return done


async def confirm_one(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    line_id: UUID,
    by: str,
    invoice: Invoice | None = None,
) -> BankLine:
    """Confirm a line as a payment, of `invoice` if a person chose one. Raises as `confirm_line`."""
    line = await confirm_line(session, clock, line_id, by, invoice)
    await _record_payments(session, clock, actor, line)
    return line


async def confirm_exact(database: Database, clock: Clock, actor: Actor, by: str) -> ConfirmedLines:
    """Confirm all lines whose reference, amount and payer agree."""
    done = await confirm_exact_lines(database, clock, by)
    for line_id in done.confirmed:
        async with database.transaction() as session:
            line = await session.get_one(BankLine, line_id)
            await _record_payments(session, clock, actor, line)
    return done


async def reject_one(
    session: AsyncSession, clock: Clock, actor: Actor, line_id: UUID, by: str
) -> BankLine:
    """Reject the proposals of a line. Raises BankLineNotFound, InvalidBankLineState."""
    line = await reject_line(session, clock, line_id, by)
    subject = ids.format_id(BANK_LINE_ID_PREFIX, line.id)
    await record_audit_event(session, clock, actor, None, "bank.rejected", subject)
    return line


async def find_any_invoice(session: AsyncSession, name: str) -> Invoice:
    """Find an invoice of any account by ID or number. Raises InvoiceNotFound.

    For operators: all accounts (account_id).
    """
    code, _, digits = name.strip().rpartition("-")
    query = select(Invoice)
    if identity := ids.parse_id(INVOICE_ID_PREFIX, name):
        query = query.where(col(Invoice.id) == identity)
    else:
        number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 18 else 0
        query = query.join(LegalEntity, col(LegalEntity.id) == col(Invoice.legal_entity_id)).where(
            col(LegalEntity.code) == code.replace("\x00", ""), col(Invoice.number) == number
        )
    invoice = (await session.scalars(query)).one_or_none()
    if invoice is None:
        raise InvoiceNotFound(f"Invoice not found: {name[:60]!r}.", param="invoice")
    return invoice


def parse_line_id(text: str) -> UUID:
    """Parse the id of a bank line (`bkl_…`). Raises BankLineNotFound."""
    line_id = ids.parse_id(BANK_LINE_ID_PREFIX, text)
    if line_id is None:
        raise BankLineNotFound(f"{text[:60]!r} is not the ID of a bank line (bkl_…).", param="line")
    return line_id


async def _record_payments(
    session: AsyncSession, clock: Clock, actor: Actor, line: BankLine
) -> None:
    """Record in the audit log of each account that a transfer was recorded as its payment."""
    subject = ids.format_id(BANK_LINE_ID_PREFIX, line.id)
    for one in await list_proposals(session, line.id):
        details = {
            "invoice": ids.format_id(INVOICE_ID_PREFIX, one.invoice_id),
            "amount": minor_text(one.minor, line.currency),
        }
        await record_audit_event(
            session, clock, actor, one.account_id, "bank.confirmed", subject, details
        )
