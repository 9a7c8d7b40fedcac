"""Disputes of invoice lines as the API and the command line show them."""

from typing import Any

from billing.collection.line_disputes import PREFIX, line_dispute_status
from billing.invoices.lifecycle import PREFIX as INVOICE_PREFIX
from billing.tables import LineDispute
from infra import ids


def line_dispute_json(dispute: LineDispute) -> dict[str, Any]:
    """A dispute of a line, with its answer once there is one."""
    note = dispute.credit_note_id
    return {
        "object": "line_dispute",
        "id": ids.show(PREFIX, dispute.id),
        "invoice": ids.show(INVOICE_PREFIX, dispute.invoice_id),
        "line": dispute.line,
        "status": line_dispute_status(dispute),
        "reason": dispute.reason,
        "opened_by": dispute.opened_by,
        "opened_at": dispute.opened_at.isoformat(),
        "answer": dispute.answer,
        "answered_at": dispute.answered_at and dispute.answered_at.isoformat(),
        "credit_note": None if note is None else ids.show("cn", note),
    }
