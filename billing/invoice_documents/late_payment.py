"""Late payment on invoice documents: instalments, and the invoices that late fees are of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import local_day
from billing.invoices.instalments import list_parts
from billing.invoices.late_fees import list_late_fees
from billing.invoices.numbering import format_invoice_number
from billing.ledger.ledger import outstanding_amount
from billing.money import minor_text
from billing.rating.statement import LineKind, StatementLine
from billing.tables import Invoice, LegalEntity


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """An instalment of the invoice in minor units; `owed` of it is unpaid."""

    number: int
    due_on: date
    minor: int
    owed: int

    def to_json(self, currency: str) -> dict[str, Any]:
        """Return the instalment as JSON, with amounts as decimal text of the major unit."""
        return {
            "number": self.number,
            "due_on": self.due_on.isoformat(),
            "amount": minor_text(self.minor, currency),
            "owed": minor_text(self.owed, currency),
        }


async def load_parts(
    session: AsyncSession, invoice: Invoice, zone: ZoneInfo
) -> tuple[DocumentPart, ...]:
    """Return the instalments of an invoice with what is owed of each; empty if it has none."""
    rows = await list_parts(session, invoice.account_id, invoice.id)
    if not rows:
        return ()
    # Payments pay the parts in their order, so what is owed is of the last ones.
    rest = await outstanding_amount(session, invoice.account_id, invoice.id)
    parts: list[DocumentPart] = []
    for row in reversed(rows):
        owed = max(0, min(rest, row.minor))
        rest -= owed
        parts.append(DocumentPart(row.number, local_day(row.due_at, zone), row.minor, owed))
    return tuple(reversed(parts))


async def load_late_invoices(
    session: AsyncSession, account_id: UUID, invoice_id: UUID, lines: Sequence[StatementLine]
) -> tuple[str, ...]:
    """Return the number of the overdue invoice of each late fee line, in the order of the lines."""
    if all(line.kind is not LineKind.LATE_FEE for line in lines):
        return ()
    fees = await list_late_fees(session, account_id, invoice_id)
    query = (
        select(Invoice.id, LegalEntity.code, Invoice.number)
        .join(LegalEntity, col(LegalEntity.id) == col(Invoice.legal_entity_id))
        .where(
            col(Invoice.account_id) == account_id,
            col(Invoice.id).in_([fee.overdue_invoice_id for fee in fees]),
        )
    )
    numbers = {
        overdue_id: format_invoice_number(code, number or 0)
        for overdue_id, code, number in (await session.execute(query)).all()
    }
    return tuple(numbers[fee.overdue_invoice_id] for fee in fees)
