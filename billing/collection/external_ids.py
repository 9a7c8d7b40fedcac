"""The ids that invoices and accounts have at their collector.

An id counts only at the collector that gave it, which the row names beside it.
"""

from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.collection.collector import CollectorInfo
from billing.outbox import PermanentFailure
from billing.tables import BillingProfile, Invoice


def external_invoice_id(invoice: Invoice, collector: CollectorInfo) -> str | None:
    """Return the invoice's id at the collector, None if the collector does not have it yet.

    Raises PermanentFailure if another collector collects the invoice.
    """
    if invoice.collector not in (None, collector.name):
        raise PermanentFailure(
            f"The invoice is collected through {invoice.collector}, which is not configured."
        )
    return invoice.external_invoice


async def store_external_invoice(
    session: AsyncSession, invoice: Invoice, collector: str, external_id: str
) -> None:
    """Store the invoice's id at the collector."""
    await session.execute(
        update(Invoice)
        .where(col(Invoice.account_id) == invoice.account_id, col(Invoice.id) == invoice.id)
        .values(collector=collector, external_invoice=external_id)
    )


def external_customer_id(profile: BillingProfile, collector: CollectorInfo) -> str | None:
    """Return the account's id at the collector, None if it is not registered there."""
    return profile.external_customer if profile.collector == collector.name else None


async def store_external_customer(
    session: AsyncSession, account_id: UUID, collector: str, external_id: str
) -> None:
    """Store the account's id at the collector; replaces an id at another collector."""
    await session.execute(
        update(BillingProfile)
        .where(col(BillingProfile.account_id) == account_id)
        .values(collector=collector, external_customer=external_id)
    )
