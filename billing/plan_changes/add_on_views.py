"""JSON views of add-ons: those of an account, and the preview and result of a change."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency
from billing.invoice_documents.values import line_to_json
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.money import minor_text
from billing.plan_changes.add_on_changes import AddOnChange, AddOnPreview
from billing.plan_changes.views import subscription_json
from infra import ids
from infra.clock import Clock


async def add_on_preview_json(
    session: AsyncSession, account_id: UUID, preview: AddOnPreview
) -> dict[str, Any]:
    """Return what a change of an add-on costs now; a credit is negative."""
    currency = await get_account_currency(session, account_id)
    return {
        "object": "subscription.add_on_preview",
        "add_on": preview.add_on.name,
        "quantity": preview.quantity,
        "quantity_before": preview.before,
        "currency": currency,
        "line": preview.line and line_to_json(currency, preview.line),
        "total": minor_text(preview.total, currency),
    }


async def add_on_change_json(
    session: AsyncSession, clock: Clock, account_id: UUID, change: AddOnChange
) -> dict[str, Any]:
    """Return the subscription with the invoices and credit notes of a change."""
    currency = await get_account_currency(session, account_id)
    return {
        **await subscription_json(session, clock, account_id),
        "invoices": [ids.format_id(INVOICE_ID_PREFIX, one.id) for one in change.invoices],
        "credited": minor_text(sum(note.total for note in change.credit_notes), currency),
    }
