"""JSON views of bank lines with their proposals."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.bank_statements.lines import BANK_LINE_ID_PREFIX, list_proposals
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.invoices.numbering import format_invoice_number
from billing.money import minor_text
from billing.tables import Account, BankLine, Invoice, LegalEntity
from infra import ids


async def render_line(session: AsyncSession, line: BankLine) -> dict[str, Any]:
    """Return a line as JSON, with the invoices that it may pay or has paid."""
    proposals = []
    for one in await list_proposals(session, line.id):
        invoice = await session.get_one(Invoice, one.invoice_id)
        entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
        proposals.append(
            {
                "invoice": ids.format_id(INVOICE_ID_PREFIX, invoice.id),
                "number": format_invoice_number(entity.code, invoice.number or 0),
                "account": (await session.get_one(Account, one.account_id)).name,
                "amount": minor_text(one.minor, line.currency),
            }
        )
    return {
        "object": "bank_line",
        "id": ids.format_id(BANK_LINE_ID_PREFIX, line.id),
        "status": line.status,
        "flags": line.flags,
        "booked_on": line.booked_on.isoformat(),
        "amount": minor_text(line.minor, line.currency),
        "currency": line.currency,
        "payer": line.payer_name,
        "payer_account": line.payer_account,
        "text": line.text,
        "reference": line.reference,
        "proposals": proposals,
        "decided_by": line.decided_by,
    }
