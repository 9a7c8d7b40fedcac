"""JSON views of invoice line disputes, for the API and the CLI."""

from typing import Any

from billing.collection.line_disputes import LINE_DISPUTE_ID_PREFIX, line_dispute_status
from billing.invoices.lifecycle import INVOICE_ID_PREFIX as INVOICE_PREFIX
from billing.tables import LineDispute
from infra import ids


def render_line_dispute(dispute: LineDispute) -> dict[str, Any]:
    """Return a line dispute as JSON, with the operator's answer if there is one."""
    credit_note_id = dispute.credit_note_id
    return {
        "object": "line_dispute",
        "id": ids.format_id(LINE_DISPUTE_ID_PREFIX, dispute.id),
        "invoice": ids.format_id(INVOICE_PREFIX, dispute.invoice_id),
        "line": dispute.line,
        "status": line_dispute_status(dispute),
        "reason": dispute.reason,
        "opened_by": dispute.opened_by,
        "opened_at": dispute.opened_at.isoformat(),
        "answer": dispute.answer,
        "answered_at": dispute.answered_at and dispute.answered_at.isoformat(),
        "credit_note": None if credit_note_id is None else ids.format_id("cn", credit_note_id),
    }
