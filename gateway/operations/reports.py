"""Reports of the platform as JSON: margin, revenue, receivables and deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.money import minor_text, nano_text
from billing.reports.deferred_revenue import DeferredRevenue
from billing.reports.deliveries import DeliveryState, OutboxEntry
from billing.reports.margin import Margin, MarginDimension
from billing.reports.receivables import AGE_BUCKET_DAYS, OverdueInvoice, ReceivablesAgeing
from billing.reports.revenue import MonthlyRevenue, RevenueShare
from infra import ids


def margin_json(margin: Margin, by: MarginDimension) -> dict[str, Any]:
    """Return a margin as JSON; amounts that are not known are null."""
    cost, gained, ppm = margin.cost_nano, margin.margin_nano, margin.margin_ppm
    return {
        "by": by.value,
        "value": margin.value or None,
        "currency": margin.currency,
        "calls": margin.calls,
        "charged": nano_text(margin.charged_nano),
        "cost": None if cost is None else nano_text(cost),
        "margin": None if gained is None else nano_text(gained),
        "margin_percent": None if ppm is None else f"{ppm / 10_000:.1f}",
        "unknown": margin.uncosted_calls,
        "unknown_charged": nano_text(margin.uncosted_charged_nano),
    }


def monthly_revenue_json(month: MonthlyRevenue) -> dict[str, Any]:
    """Return the revenue of a month as JSON."""
    amounts = {
        "usage": month.usage,
        "fees": month.fees,
        "credited": month.credited,
        "net": month.net,
        "bad_debt": month.lost,
    }
    texts = {name: minor_text(minor, month.currency) for name, minor in amounts.items()}
    return {"month": f"{month.first_day:%Y-%m}", "currency": month.currency, **texts}


def revenue_share_json(share: RevenueShare, currency: str) -> dict[str, Any]:
    """Return the revenue of a plan, model, kind or account as JSON."""
    return {
        "value": share.value,
        "revenue": minor_text(share.minor, currency),
        "currency": currency,
        "invoices": share.invoices,
    }


def deferred_revenue_json(total: DeferredRevenue) -> dict[str, Any]:
    """Return the deferred revenue of a month in one currency as JSON."""
    currency = total.currency
    amounts = {name: value for name, value in asdict(total).items() if name != "currency"}
    return {"currency": currency} | {
        name: minor_text(minor, currency) for name, minor in amounts.items()
    }


def receivables_json(
    ageing: Sequence[ReceivablesAgeing], overdue: Sequence[OverdueInvoice], now: datetime
) -> dict[str, Any]:
    """Return receivables by age and currency, and the overdue invoices, as JSON."""
    return {
        "object": "report.receivables",
        "as_of": now.isoformat(),
        "ageing": [_ageing_json(one) for one in ageing],
        "overdue": [_overdue_json(one, now) for one in overdue],
    }


def deliveries_json(
    outbox: Mapping[DeliveryState, int],
    inbox: Mapping[DeliveryState, int],
    failed: Sequence[OutboxEntry],
) -> dict[str, Any]:
    """Return the numbers of deliveries by state, and those that failed, as JSON."""
    return {
        "object": "report.deliveries",
        "outbox": {state.value: outbox.get(state, 0) for state in DeliveryState},
        "inbox": {state.value: inbox.get(state, 0) for state in DeliveryState},
        "failed": [_delivery_json(entry) for entry in failed],
    }


def _ageing_json(ageing: ReceivablesAgeing) -> dict[str, Any]:
    """Return the receivables in a currency by age; `overdue_days` is the lower bound, exclusive."""
    starts = (None, *AGE_BUCKET_DAYS)
    return {
        "currency": ageing.currency,
        "owed": minor_text(ageing.owed, ageing.currency),
        "overdue": minor_text(ageing.late, ageing.currency),
        "ages": [
            {
                "overdue_days": start,
                "invoices": age.invoices,
                "owed": minor_text(age.owed, ageing.currency),
            }
            for start, age in zip(starts, ageing.ages, strict=True)
        ],
    }


def _overdue_json(invoice: OverdueInvoice, now: datetime) -> dict[str, Any]:
    """Return an overdue invoice as JSON."""
    return {
        "id": ids.format_id(INVOICE_ID_PREFIX, invoice.invoice_id),
        "number": invoice.number,
        "account": ids.format_id(ACCOUNT_ID_PREFIX, invoice.account_id),
        "account_name": invoice.account_name,
        "owed": minor_text(invoice.owed, invoice.currency),
        "currency": invoice.currency,
        "due_at": invoice.due_at.isoformat(),
        "overdue_days": invoice.days(now),
        "reminders": invoice.reminders,
        "suspended": invoice.suspended,
    }


def _delivery_json(entry: OutboxEntry) -> dict[str, Any]:
    """Return a failed delivery as JSON."""
    account = entry.account_id and ids.format_id(ACCOUNT_ID_PREFIX, entry.account_id)
    return {
        "id": entry.id.hex,
        "action": entry.action,
        "account": account,
        "attempts": entry.attempts,
        "created_at": entry.created_at.isoformat(),
        "error": entry.error,
    }
