"""Checks that usage totals, invoices, the ledger, payments and wallets agree.

Each check returns (subject, recorded, expected) for each difference, in the snapshot of
billing/reconciliation/usage_and_quotas.py. For operators: reads across accounts (account_id).
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import get_profile
from billing.invoices.calculation import load_period_usage, sum_lines
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, NON_USAGE_KINDS, list_invoice_lines
from billing.rating.quantities import METERS
from billing.rating.statement import LineKind, StatementLine
from billing.rating.taxes import Tax, TaxTreatment
from billing.rating.terms import PlanTerms
from billing.reconciliation.credit import CREDIT_CHECKS
from billing.subscriptions.plans import load_terms
from billing.tables import BillingPeriod, Invoice, InvoiceLine, InvoiceStatus
from infra import ids

# Usage rows up to the cursor, each with the first period of its account that can contain it.
_USAGE_BY_PERIOD = """
    select (
        select p.id from billing_period p
        where p.account_id = u.account_id
          and (u.started_at < p.ends_at or p.ends_at = l.ends_at)
          and (p.closed_at is null or u.written_in < p.cut)
        order by p.starts_at limit 1
    ) as period_id, u.*
    from usage u
    join (
        select account_id, max(ends_at) as ends_at from billing_period group by account_id
    ) l on l.account_id = u.account_id
    where u.written_in < (select consumed from usage_cursor)
"""
CHECKS: Mapping[str, str] = {
    "Period totals equal the usage rows": f"""
        with raw as (
            select period_id, count(*) as calls, sum(cost_nano) as cost,
                   {" + ".join(f"coalesce(sum({meter}), 0)" for meter in METERS)} as units
            from ({_USAGE_BY_PERIOD}) r group by period_id
        ), totals as (
            select period_id, sum(calls) as calls, sum(cost_nano) as cost,
                   sum({" + ".join(METERS)}) as units
            from usage_total group by period_id
        )
        select p.id::text, coalesce(t.calls, 0) + coalesce(t.units, 0) + coalesce(t.cost, 0),
               coalesce(r.calls, 0) + coalesce(r.units, 0) + coalesce(r.cost, 0)
        from billing_period p left join raw r on r.period_id = p.id
        left join totals t on t.period_id = p.id
        where (coalesce(t.calls, 0), coalesce(t.cost, 0), coalesce(t.units, 0))
           <> (coalesce(r.calls, 0), coalesce(r.cost, 0), coalesce(r.units, 0))
    """,  # noqa: S608  # put together of constants
    "Usage rows refer to stored terms": """
        select plan_version_id::text, count(*), 0 from usage_total
        where plan_version_id not in (select id from plan_version)
          and plan_version_id <> '00000000-0000-0000-0000-000000000000'
        group by 1
    """,
    "Ledger transactions sum to zero": """
        select t.business_key, coalesce(sum(p.minor), 0), 0
        from ledger_transaction t left join ledger_posting p on p.transaction_id = t.id
        group by t.id having coalesce(sum(p.minor), 0) <> 0 or count(p.minor) < 2
    """,
    "Booked amounts equal the final invoice": """
        select i.id::text, coalesce(sum(p.minor), 0), i.total
        from invoice i
        left join ledger_transaction t on t.business_key = 'invoice:' || i.id
        left join ledger_posting p on p.transaction_id = t.id and p.book = 'receivable'
        where i.status <> 'draft'
        group by i.id having coalesce(sum(p.minor), 0) <> i.total
    """,
    "Invoices are open while an amount is due": """
        select i.id::text, coalesce(sum(p.minor), 0), 0
        from invoice i
        left join ledger_posting p on p.invoice_id = i.id and p.book = 'receivable'
        where i.status <> 'draft'
        group by i.id
        having (i.status = 'open') <> (coalesce(sum(p.minor), 0) > 0)
            or coalesce(sum(p.minor), 0) < 0
    """,
    "Invoice cash equals payments less refunds": """
        select i.id::text, coalesce(c.cash, 0),
               coalesce(y.paid, 0) - coalesce(n.refunded, 0)
        from invoice i
        left join (
            select invoice_id, sum(minor) as cash from ledger_posting
            where book = 'cash' and invoice_id is not null group by invoice_id
        ) c on c.invoice_id = i.id
        left join (
            select invoice_id, sum(minor) as paid from payment group by invoice_id
        ) y on y.invoice_id = i.id
        left join (
            select invoice_id, sum(refunded) as refunded from credit_note group by invoice_id
        ) n on n.invoice_id = i.id
        where coalesce(c.cash, 0) <> coalesce(y.paid, 0) - coalesce(n.refunded, 0)
    """,
    "No wallet grant is negative": """
        select grant_id::text, -sum(minor), 0 from ledger_posting
        where book = 'wallet' group by grant_id having sum(minor) > 0
    """,
    "Each wallet grant is booked once": """
        select g.id::text, coalesce(-sum(p.minor), 0), g.minor
        from wallet_grant g
        left join ledger_posting p on p.grant_id = g.id and p.book = 'wallet' and p.minor < 0
          and p.invoice_id is null
        group by g.id having coalesce(-sum(p.minor), 0) <> g.minor
    """,
    "Invoice numbers have no gaps": """
        select e.code, coalesce(s.last, 0), count(i.number)
        from legal_entity e
        left join number_series s on s.legal_entity_id = e.id and s.document = 'invoice'
        left join invoice i on i.legal_entity_id = e.id and i.number is not null
        group by e.id, s.last having coalesce(s.last, 0) <> count(i.number)
    """,
    "Credit note numbers have no gaps": """
        select e.code, coalesce(s.last, 0), count(n.number)
        from legal_entity e
        left join number_series s on s.legal_entity_id = e.id and s.document = 'credit_note'
        left join credit_note n on n.legal_entity_id = e.id
        group by e.id, s.last having coalesce(s.last, 0) <> count(n.number)
    """,
    "Fapiao do not exceed what was paid and not returned": """
        select i.id::text, f.issued, greatest(0, p.paid)
        from invoice i
        join (
            select invoice_id, sum(case when colour = 'red' then -total
                                        when status = 'issued' then total else 0 end) as issued
            from fapiao where status <> 'rejected' group by invoice_id
        ) f on f.invoice_id = i.id
        cross join lateral (
            select case when i.status = 'void' then 0 else i.total
                - (select coalesce(sum(n.total), 0) from credit_note n where n.invoice_id = i.id)
                - (select coalesce(sum(l.minor), 0) from ledger_posting l
                   left join wallet_grant g on g.id = l.grant_id
                   where l.invoice_id = i.id and (l.book in ('receivable', 'bad_debt')
                       or l.book = 'wallet' and not g.paid)) end as paid
        ) p
        where f.issued > greatest(0, p.paid)
    """,
    "Each charge is invoiced once with its amount": """
        select c.id::text, coalesce(sum(l.minor), 0), c.minor
        from charge c join invoice i on i.id = c.invoice_id and i.status <> 'draft'
        left join invoice_line l on l.charge_id = c.id and l.invoice_id = i.id
        where c.withdrawn_at is null
        group by c.id having coalesce(sum(l.minor), 0) <> c.minor
        union all
        select l.invoice_id::text || ' ' || l.position, l.minor, 0
        from invoice_line l join invoice i on i.id = l.invoice_id and i.status <> 'draft'
        left join charge c on c.id = l.charge_id and c.invoice_id = l.invoice_id
          and c.withdrawn_at is null and c.account_id = l.account_id
        where l.kind = 'outcome' and c.id is null
    """,
    **CREDIT_CHECKS,
}
RERATING_CHECK = "Invoices equal their usage rated by its terms"
InvoiceDifference = tuple[str, int, int]


async def rerate_invoices(session: AsyncSession) -> list[InvoiceDifference]:
    """Rate every finalised invoice again from totals and terms; return the differences."""
    query = select(Invoice).where(col(Invoice.status) != InvoiceStatus.DRAFT.value)
    differences: list[InvoiceDifference] = []
    for invoice in (await session.scalars(query.order_by(col(Invoice.id)))).all():
        differences += await _rerate_invoice(session, invoice)
    return differences


async def _rerate_invoice(session: AsyncSession, invoice: Invoice) -> list[InvoiceDifference]:
    """Rate one invoice again from its lines and totals; return the differences."""
    rows = await list_invoice_lines(session, invoice.account_id, invoice.id)
    lines = [_statement_line(row) for row in rows]
    terms: dict[UUID, PlanTerms] = await load_terms(session, {row.plan_version_id for row in rows})
    if terms.keys() != {row.plan_version_id for row in rows}:
        return []  # another check reports missing terms
    tax = Tax(TaxTreatment(invoice.tax_treatment), invoice.tax_ppm)
    subject, amounts = ids.format_id(INVOICE_ID_PREFIX, invoice.id), sum_lines(lines, terms, tax)
    differences: list[InvoiceDifference] = []
    if (amounts.taxed.net, amounts.taxed.tax) != (invoice.net, invoice.tax):
        differences.append((subject, invoice.total, amounts.taxed.total))
    if invoice.period_id is not None:
        expected = await _usage_amount(session, invoice, invoice.period_id)
        recorded = sum(line.minor for line in lines if line.kind not in NON_USAGE_KINDS)
        if recorded != expected:
            differences.append((subject, recorded, expected))
    return differences


async def _usage_amount(session: AsyncSession, invoice: Invoice, period_id: UUID) -> int:
    """Rate the totals of an invoice's period again; return the amount in minor units."""
    profile = await get_profile(session, invoice.account_id)
    period = await session.get_one(BillingPeriod, period_id)
    use = await load_period_usage(session, profile, period)
    return sum(line.minor for line in use.lines())


def _statement_line(row: InvoiceLine) -> StatementLine:
    """Return the statement line of a stored line, reduced to what sums need."""
    return StatementLine(LineKind(row.kind), row.minor, row.plan_version_id)
