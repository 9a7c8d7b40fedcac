"""Check that the collector's invoices agree with ours.

A collected invoice must have our total less the wallet payment, and be settled there if ours is.
Invoices with pending outbox items or unhandled events are skipped. For operators: reads across
accounts (account_id).
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.collection.collector import Collector
from billing.outbox import PermanentFailure
from billing.reconciliation.usage_and_quotas import Difference
from infra.database.database import Database, allow_long_statements

_TOTAL_CHECK = "Stripe totals equal the invoices"
_STATUS_CHECK = "Stripe payment status equals the invoice status"
_EXISTS_CHECK = "Invoices that Stripe collects exist in Stripe"
# Total less the wallet's part and whether it is settled, without invoices that have pending items.
_LOCAL_INVOICES = """
    select i.id::text, i.external_invoice, i.status in ('paid', 'void', 'uncollectible'),
        i.total - coalesce((
            select sum(p.minor) from ledger_posting p
            join ledger_transaction t on t.id = p.transaction_id
            where t.business_key = 'invoice:' || i.id || '\\:wallet' and p.book = 'wallet'
        ), 0)
    from invoice i
    where i.collector = :collector and i.external_invoice is not null
      and not exists (
          select from outbox o where o.subject = 'invoice:' || i.id
            and o.done_at is null and o.given_up_at is null
      )
      and not exists (
          select from inbox e where e.handled_at is null
            and strpos(e.payload::text, '"' || i.external_invoice || '"') > 0
      )
    order by i.id
"""
_SETTLED_STATUSES = ("paid", "void", "uncollectible")


@dataclass(frozen=True, slots=True)
class CollectorComparison:
    """Number of invoices compared with the collector's, and the differences."""

    invoices: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class _LocalInvoice:
    """Our record of a collected invoice; `due` is in minor units."""

    subject: str
    external_id: str
    settled: bool
    due: int


async def compare_with_collector(database: Database, collector: Collector) -> CollectorComparison:
    """Compare our invoices with the collector's. Raises RetryLater without an answer."""
    async with database.transaction() as session:
        invoices = await _load_local_invoices(session, collector.info.name)
    differences = [
        difference
        for invoice in invoices
        for difference in await _compare_invoice(invoice, collector)
    ]
    return CollectorComparison(len(invoices), tuple(differences))


async def _load_local_invoices(session: AsyncSession, collector: str) -> list[_LocalInvoice]:
    """Load our invoices at the collector without pending changes, with minor units to collect."""
    await allow_long_statements(session)
    rows = (await session.execute(text(_LOCAL_INVOICES), {"collector": collector})).all()
    return [
        _LocalInvoice(subject, external_id, settled, int(due))
        for subject, external_id, settled, due in rows
    ]


async def _compare_invoice(invoice: _LocalInvoice, collector: Collector) -> list[Difference]:
    """Compare existence, total and settled state of an invoice with the collector's."""
    try:
        external = await collector.retrieve_invoice(invoice.external_id)
    except PermanentFailure:
        return [Difference(_EXISTS_CHECK, invoice.subject, 0, 1)]
    differences: list[Difference] = []
    if external.total != invoice.due:
        differences.append(Difference(_TOTAL_CHECK, invoice.subject, external.total, invoice.due))
    settled = external.status in _SETTLED_STATUSES
    if settled != invoice.settled:
        differences.append(
            Difference(_STATUS_CHECK, invoice.subject, int(settled), int(invoice.settled))
        )
    return differences
